"""Finds the values in a JSON text without building them, with pauses.

Python's own decoder builds a whole document in one call, which holds the process for as long, and takes up to 25 times
the memory of the text. Here only the limits of values are found; the caller decodes those that are small.

Grammar: RFC 8259. What is skipped is not checked, except for its brackets.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Generator, Iterator
from typing import Any

from devenv.otlp.wire import TooLarge, Undecodable

PIECE = 256 * 1024
"""A value up to this size is decoded in one call, of a few milliseconds."""
_WINDOW = 64 * 1024
_TOKENS = 30_000_000
# Commas, and opening brackets, that a request may have: far above what 64 MiB of spans contain.
_SEPARATORS = 8_000_000
_COUNTED = 1024 * 1024
_MAX_NESTING = 100_000
_PAUSE_STEPS = 1024
_PAUSE_TOKENS = 2048  # about a millisecond
_LONGEST_NAME = 200
# Of a string, without its quotes. Without possessive repetitions, it would need memory for each turn.
_STRING_PART = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
# A string, a bracket, or the opening quote of a string that does not end in the window.
_TOKEN = re.compile(rb'"%b"|[\[\]{}"]' % _STRING_PART.pattern, re.DOTALL)
_SPACE = re.compile(rb"[ \t\n\r]*")
_SCALAR = re.compile(rb"[-+.0-9A-Za-z]+")

Extent = tuple[int, int]


class Scanner:
    """The values of ``body``, which may be a ``bytearray``; positions are in bytes. Each None is a pause."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self._end = len(body)
        self._tokens = 0
        self._steps = 0
        # Ends of large values by their start: what contains them is read several times, they are not.
        self._known: dict[int, int] = {}

    def start_again(self) -> None:
        """Allow another reading of the whole body."""
        self._tokens = 0

    def count(self) -> Iterator[None]:
        """Count separators, before anything is read.

        Raises:
            TooLarge: If the body has more values than one request may have.
        """
        commas = brackets = 0
        for start in range(0, self._end, _COUNTED):
            stop = start + _COUNTED
            commas += self.body.count(b",", start, stop)
            brackets += self.body.count(b"[", start, stop) + self.body.count(b"{", start, stop)
            if max(commas, brackets) > _SEPARATORS:
                raise TooLarge("more commas or brackets than one request may have")
            yield None

    def load(self, extent: Extent) -> Any:
        """Decode a value.

        Raises:
            Undecodable: If it is not JSON.
            RecursionError: If it is nested too deep for the decoder.
        """
        try:
            return json.loads(self.body[extent[0] : extent[1]])
        except ValueError as error:
            raise Undecodable(f"JSON: {error}") from error

    def space(self, position: int) -> int:
        """Return the first position that is not white space."""
        end = _match_end(_SPACE, self.body, position, position + _WINDOW)
        if end == position + _WINDOW:
            raise Undecodable("JSON: more than 64 KiB of white space")
        return end

    def is_a(self, opening: bytes, position: int) -> bool:
        """Whether the value at ``position`` opens with this bracket."""
        return self.body[position : position + 1] == opening

    def is_null(self, extent: Extent) -> bool:
        """Whether the value is null."""
        return extent[1] - extent[0] == len(b"null") and self.is_a(b"n", extent[0])

    def value(self, start: int) -> Generator[None, None, int]:
        """Return the end of the value at ``start``.

        Raises:
            Undecodable: If there is no value.
            TooLarge: If the body has more values than one request may have.
        """
        known = self._known.get(start)
        if known is not None:
            return known
        if self.is_a(b"[", start) or self.is_a(b"{", start):
            return (yield from self._container(start))
        if self.is_a(b'"', start):
            return (yield from self._string(start + 1))
        end = _match_end(_SCALAR, self.body, start, start + _WINDOW)
        if end in {start, start + _WINDOW}:
            raise Undecodable(f"JSON: no value at byte {start}")
        return end

    def members(self, start: int, names: Collection[str]) -> Generator[None, None, tuple[dict[str, Extent], int]]:
        """Return those members of the object at ``start`` that have one of ``names``, and its end; raises as value."""
        found: dict[str, Extent] = {}
        position = self._after(start, b"{")
        if self.is_a(b"}", position):
            return found, position + 1
        while True:
            if self._turn():
                yield None
            opened = self._after(position, b'"', keep_space=True)
            closed = yield from self._string(opened)
            name = self.load((position, closed)) if closed - position <= _LONGEST_NAME else ""
            first = self._after(self.space(closed), b":")
            last = yield from self.value(first)
            if name in names:
                found[name] = (first, last)
            elif last - first <= PIECE:
                self._check((first, last))
            position = self.space(last)
            if self.is_a(b"}", position):
                return found, position + 1
            position = self._after(position, b",")

    def items(self, extent: Extent) -> Iterator[Extent | None]:
        """Yield the items of an array; raises as value."""
        position = self._after(extent[0], b"[")
        if self.is_a(b"]", position):
            return
        while True:
            if self._turn():
                yield None
            end = yield from self.value(position)
            yield position, end
            position = self.space(end)
            if self.is_a(b"]", position):
                return
            position = self._after(position, b",")

    def _after(self, position: int, mark: bytes, *, keep_space: bool = False) -> int:
        if not self.is_a(mark, position):
            found = bytes(self.body[position : position + 20])
            raise Undecodable(f"JSON: {mark.decode()!r} expected at byte {position}, found {found!r}")
        return position + 1 if keep_space else self.space(position + 1)

    def _check(self, extent: Extent) -> None:
        try:
            self.load(extent)
        except RecursionError as error:
            raise Undecodable("JSON: nested too deep") from error

    def _turn(self) -> bool:
        self._steps += 1
        return not self._steps % _PAUSE_STEPS

    def _container(self, start: int) -> Generator[None, None, int]:
        body = self.body
        opened: list[int] = []
        position = paused = start
        while position < self._end:
            stop = position + _WINDOW
            for token in _TOKEN.finditer(body, position, stop):
                self._tokens += 1
                if not self._tokens % _PAUSE_TOKENS:
                    yield None
                begin = token.start()
                mark = body[begin]
                if mark == 0x22:
                    if token.end() - begin == 1:
                        stop = yield from self._string(begin + 1)
                        break
                elif mark in {0x7B, 0x5B}:
                    opened.append(begin)
                else:
                    begin = opened.pop()
                    if body[begin] + 2 != mark:
                        raise Undecodable(f"JSON: the bracket at byte {begin} is not closed")
                    end = token.end()
                    if end - begin > PIECE:
                        self._known[begin] = end
                    if not opened:
                        return end
            self._bound(len(opened))
            position = stop
            if position - paused >= _WINDOW:
                paused = position
                yield None
        raise Undecodable(f"JSON: the bracket at byte {start} is not closed")

    def _bound(self, nesting: int) -> None:
        if nesting > _MAX_NESTING:
            raise Undecodable("JSON: nested too deep")
        if self._tokens > _TOKENS:
            raise TooLarge("more JSON values than one request may have")

    def _string(self, position: int) -> Generator[None, None, int]:
        # `position` is after the opening quote; the result after the closing one.
        while position < self._end:
            position = _match_end(_STRING_PART, self.body, position, position + _WINDOW)
            if self.is_a(b'"', position):
                return position + 1
            if self.is_a(b"\\", position):  # an escape after the last repetition, or at the window's end
                position += 2
            yield None
        raise Undecodable("JSON: a string is cut off")


def _match_end(pattern: re.Pattern[bytes], body: bytes, start: int, stop: int) -> int:
    found = pattern.match(body, start, stop)
    return found.end() if found is not None else start
