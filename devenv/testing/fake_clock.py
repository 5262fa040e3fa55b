"""A clock whose time passes only when told to, or when nothing else is left to do."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from typing import Any

_ROUNDS = 50
"""Turns of the event loop that count as idleness on a loop that does not show what is ready (uvloop)."""


class FakeClock:
    """A :class:`devenv.clock.Clock` with virtual time.

    Args:
        start: wall time at the beginning, in seconds since the epoch; the monotonic clock starts at 0.
        auto: let time jump to the next sleeper whenever no task can run. Work in threads and on sockets is not seen
            by that, so tests that wait for those give ``settle`` or call :meth:`advance` themselves.
        settle: real seconds to leave for sockets and threads before each jump.
    """

    def __init__(self, start: float = 1_700_000_000.0, *, auto: bool = True, settle: float = 0.0) -> None:
        self._start = start
        self._elapsed = 0.0
        self._auto = auto
        self._settle = settle
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._jumper: asyncio.Task[None] | None = None
        self._idlers = 0

    def now(self) -> float:
        """Wall time in seconds since the epoch."""
        return self._start + self._elapsed

    def monotonic(self) -> float:
        """Virtual seconds since the clock was made."""
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        """Sleep for virtual ``seconds``; zero or less yields once."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed + seconds, next(self._order), future))
        if self._auto and (self._jumper is None or self._jumper.done()):
            self._jumper = asyncio.create_task(self._jump_when_idle(), name="fake clock")
        await future

    async def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass, waking sleepers in order and letting each run before the next."""
        end = self._elapsed + seconds
        while self._next_wake() is not None and (wake := self._next_wake() or 0.0) <= end:
            self._wake_until(wake)
            await self._idle()
        self._elapsed = max(self._elapsed, end)
        await self._idle()

    async def _jump_when_idle(self) -> None:
        while True:
            await self._idle()
            if self._settle:
                await asyncio.sleep(self._settle)
                await self._idle()
            wake = self._next_wake()
            if wake is None:
                return
            self._wake_until(wake)

    def _next_wake(self) -> float | None:
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    def _wake_until(self, moment: float) -> None:
        self._elapsed = max(self._elapsed, moment)
        while self._sleepers and self._sleepers[0][0] <= self._elapsed:
            future = heapq.heappop(self._sleepers)[2]
            if not future.done():
                future.set_result(None)

    async def _idle(self) -> None:
        """Return once no other task can run without time passing or the outside acting."""
        ready: Any = getattr(asyncio.get_running_loop(), "_ready", None)
        if ready is None:
            for _ in range(_ROUNDS):
                await asyncio.sleep(0)
            return
        self._idlers += 1
        try:
            await asyncio.sleep(0)
            # Others who wait here are ready all the time; they must not keep each other from seeing that all is quiet.
            while len(ready) >= self._idlers:  # noqa: ASYNC110 - what it waits for is that there is nothing to wait for
                await asyncio.sleep(0)
        finally:
            self._idlers -= 1
