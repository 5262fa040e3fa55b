"""JSON answers that may be large, made piece by piece while the client takes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from devenv.backend.web.message import dumps

_PIECE = 64 * 1024


def json_list(opening: bytes, items: Iterable[Any], closing: bytes) -> Iterator[bytes]:
    """``opening``, the items as JSON with commas between them, ``closing``; with pauses (see Response)."""
    pieces = [opening]
    size = 0
    separator = b""
    for item in items:
        encoded = dumps(item)
        pieces += (separator, encoded)
        separator = b","
        size += len(encoded)
        if size >= _PIECE:
            yield b"".join(pieces)
            yield b""
            pieces, size = [], 0
    yield b"".join([*pieces, closing])
