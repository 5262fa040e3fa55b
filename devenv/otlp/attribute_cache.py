"""Encoded attributes, made into something else once for equal bytes: those of thousands of spans repeat."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from google.protobuf.message import DecodeError

from devenv.otlp import messages

T = TypeVar("T")

_CACHED = 16384
_CACHED_BYTES = 256
"""Of an attribute; a longer one seldom occurs twice."""

_FIRST, _SECOND = 0x0A, 0x12  # tags of the fields 1 and 2 with bytes
_ONE_BYTE = 127  # so is each length


def key_value(encoded: bytes) -> Any:
    """Return an attribute decoded; an empty one if it passed the check only as a part of its neighbour."""
    try:
        return messages.KeyValue.FromString(encoded)
    except DecodeError:
        return messages.KeyValue()


def short_text(encoded: bytes) -> tuple[bytes, str] | None:
    """Return key and value of an attribute that is a short text, in a quarter of the time of :func:`key_value`.

    Returns:
        ``None`` if it is something else, or encoded in an unusual way.
    """
    size = len(encoded)
    if not 6 <= size <= _ONE_BYTE or encoded[0] != _FIRST:
        return None
    at = encoded[1] + 2
    if at + 4 > size or encoded[at] != _SECOND or encoded[at + 1] != size - at - 2:
        return None
    if encoded[at + 2] != _FIRST or encoded[at + 3] != size - at - 4:
        return None
    try:
        return encoded[2:at], encoded[at + 4 :].decode()
    except UnicodeDecodeError:
        return None


class AttributeCache(Generic[T]):
    """Makes encoded ``KeyValue`` messages into values with ``make``, which must not raise, nor return ``None``."""

    def __init__(self, make: Callable[[bytes], T]) -> None:
        self._make = make
        self._known: dict[bytes, T] = {}

    def values(self, encoded: Iterable[bytes]) -> list[T]:
        """Return the values of one span's attributes, in their order."""
        return self.column(list(encoded))  # each look at a repeated field makes new bytes

    def column(self, encoded: list[bytes]) -> list[T]:
        """Return the values of the attributes of many spans."""
        found = list(map(self._known.get, encoded))  # in half the time of functools' cache, which notes each use
        if None not in found:
            return found  # type: ignore[return-value] # as checked
        return [self._learn(pair) if value is None else value for pair, value in zip(encoded, found, strict=True)]

    def _learn(self, pair: bytes) -> T:
        value = self._make(pair)
        if len(pair) <= _CACHED_BYTES:
            if len(self._known) >= _CACHED:
                self._known.clear()
            self._known[pair] = value
        return value
