"""Whose turn it is: the loop's time, shared between short requests and long work of all connections.

Without it, each connection may work for a few milliseconds between two looks at the sockets, and with forty of them
the next request waits for forty times as long.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from contextlib import aclosing
from time import monotonic
from typing import TypeVar

T = TypeVar("T")

SLICE = 0.003
"""Seconds of long work, and of short requests, between two looks at the sockets."""
_LARGE_READ = 64 * 1024
# Connections that may read in one iteration, of those that send much; a read has up to 256 KiB.
_READERS = 4
# What takes less is not counted: the count would cost more.
_COUNTED = 0.0003

Pieces = Iterable[bytes] | AsyncGenerator[bytes]
"""A long text in pieces, made while it is sent."""


class Turns:
    """A queue for long work: one slice of one waiter in each iteration of the loop."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._waking = False
        self._readers: deque[Callable[[], None]] = deque()
        self._spent = 0.0
        self._resetting = False

    def start(self) -> Turn:
        """Return the turn of one piece of long work; it begins to count with its first pause."""
        return Turn(self)

    async def paced(self, pieces: Pieces) -> AsyncGenerator[bytes]:
        """Yield the pieces, each of which takes time to make, with others served in between.

        To be closed by its reader: what makes the pieces is closed with it.
        """
        turn = self.start()
        await turn.pause()
        if isinstance(pieces, AsyncGenerator):
            async with aclosing(pieces):
                async for piece in pieces:
                    yield piece
                    await turn.pause()
            return
        for piece in pieces:
            yield piece
            await turn.pause()

    async def wait(self) -> None:
        """Wait until all that waited before have had their slice."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._waiting.append(future)
        if not self._waking:
            self._waking = True
            loop.call_soon(self._wake)
        await future

    def _wake(self) -> None:
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():  # it is, if its task was cancelled
                future.set_result(None)
                break
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._wake)
        else:
            self._waking = False

    def read_later(self, size: int, resume: Callable[[], None]) -> bool:
        """Return whether a connection that has read ``size`` bytes must stop reading, until ``resume`` is called.

        Without it, libuv reads eight megabytes of a fast client before it turns to the next one.
        """
        if size < _LARGE_READ:
            return False
        if not self._readers:
            asyncio.get_running_loop().call_soon(self._resume_readers)
        self._readers.append(resume)
        return True

    def _resume_readers(self) -> None:
        for _ in range(min(_READERS, len(self._readers))):
            self._readers.popleft()()
        if self._readers:
            asyncio.get_running_loop().call_soon(self._resume_readers)

    @property
    def crowded(self) -> bool:
        """Whether short requests have used their slice of this iteration: the next one has to wait for its turn."""
        return self._spent >= SLICE

    def spend(self, seconds: float) -> None:
        """Count what a short request took in this iteration of the loop."""
        if seconds < _COUNTED:
            return
        self._spent += seconds
        if not self._resetting:
            self._resetting = True
            asyncio.get_running_loop().call_soon(self._reset)

    def _reset(self) -> None:
        self._spent = 0.0
        self._resetting = False


class Turn:
    """One piece of long work, such as the answer to a large request."""

    __slots__ = ("_turns", "_until")

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._until = 0.0

    async def pause(self) -> None:
        """Let others have their turn, if this one has used its slice; to be called about every millisecond."""
        if monotonic() < self._until:
            return
        await self._turns.wait()
        self._until = monotonic() + SLICE

    async def take(self, steps: Generator[None, None, T]) -> T:
        """Take steps of about a millisecond, with a pause after each; return their result."""
        while True:
            try:
                next(steps)
            except StopIteration as end:
                result: T = end.value
                return result
            await self.pause()
