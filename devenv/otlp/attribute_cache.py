"""Encoded attributes, made into something else once for equal bytes: those of thousands of spans repeat."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
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
    """Makes encoded ``KeyValue`` messages into values with ``make``, which must not raise."""

    def __init__(self, make: Callable[[bytes], T]) -> None:
        self._make = make
        self._cached = lru_cache(maxsize=_CACHED)(make)

    def values(self, encoded: Iterable[bytes]) -> list[T]:
        """Return the values of one span's attributes, in their order."""
        pairs = list(encoded)  # each look at a repeated field makes new bytes
        if len(b"".join(pairs)) <= 2 * _CACHED_BYTES:  # looking at each one takes three times as long
            return list(map(self._cached, pairs))
        return [self._cached(pair) if len(pair) <= _CACHED_BYTES else self._make(pair) for pair in pairs]

    def column(self, encoded: list[bytes]) -> list[T]:
        """Return the values of the attributes of many spans."""
        if max(map(len, encoded), default=0) <= _CACHED_BYTES:
            return list(map(self._cached, encoded))
        return [self._cached(pair) if len(pair) <= _CACHED_BYTES else self._make(pair) for pair in encoded]
