"""Encoded attributes, made into something else once for equal bytes: those of thousands of spans repeat."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Generic, TypeVar

T = TypeVar("T")

_CACHED = 16384
_CACHED_BYTES = 256
"""Of an attribute; a longer one seldom occurs twice."""


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
