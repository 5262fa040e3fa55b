"""Tests the values of an attribute in an encoded trace without decoding its spans.

As :mod:`devenv.backend.query.needles`, it relies on the order of fields. A value found may be an event's or a link's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.message import DecodeError

from devenv.otlp import messages
from devenv.otlp.values import plain
from devenv.otlp.wire import varint

_KNOWN = 4096
_ONE_BYTE = 0x80  # lengths below are one byte


class EncodedValues:
    """Finds values of the attribute ``key`` that pass a test; most values occur in many spans, and are tested once."""

    def __init__(self, key: str, test: Callable[[Any], bool]) -> None:
        encoded = key.encode("utf-8", "replace")
        self._prefix = b"" if "\ufffd" in key else b"\x0a" + varint(len(encoded)) + encoded + b"\x12"
        self._test = test
        self._known: dict[bytes, bool] = {}

    def within(self, raw: bytes) -> bool:
        """Return whether ``raw`` may contain such a value."""
        prefix, known = self._prefix, self._known
        if not prefix:  # a key with several encodings
            return True
        at = raw.find(prefix)
        while at >= 0:
            start = at + len(prefix)
            size = raw[start] if start < len(raw) else _ONE_BYTE
            if size >= _ONE_BYTE:
                return True  # a long value is left to the exact test
            value = raw[start + 1 : start + 1 + size]
            passes = known.get(value)
            if passes is None:
                passes = self._learn(value)
            if passes:
                return True
            at = raw.find(prefix, start)
        return False

    def _learn(self, value: bytes) -> bool:
        try:
            passes = self._test(plain(messages.AnyValue.FromString(value)))
        except DecodeError:  # not an attribute, but bytes that look like one
            passes = True
        if len(self._known) >= _KNOWN:
            self._known.clear()
        self._known[value] = passes
        return passes
