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


def key_value(encoded: bytes) -> Any:
    """Return an attribute decoded; an empty one if it passed the check only as a part of its neighbour."""
    try:
        return messages.KeyValue.FromString(encoded)
    except DecodeError:
        return messages.KeyValue()


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
