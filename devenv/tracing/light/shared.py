"""Common attributes of many spans: built once, encoded once."""

from __future__ import annotations

from typing import Any


class Shared:
    """An immutable set of attributes that spans refer to instead of copying it.

    Attributes:
        values: The attributes; never changed.
        encoded: The encoded attributes, as the encoder stored them.
        encoder: That encoder.
    """

    __slots__ = ("encoded", "encoder", "values")

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values
        self.encoded = b""
        self.encoder: object = None
