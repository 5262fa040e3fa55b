"""Time as an argument: what waits or measures takes a :class:`Clock`, so that tests need not sleep."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Wall time, monotonic time and sleeping, together so that a fake keeps them consistent."""

    def now(self) -> float:
        """Wall time in seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass; at least once yields to other tasks."""
        ...


class SystemClock:
    """The machine's clocks and asyncio's sleep."""

    def now(self) -> float:
        """Wall time in seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass; at least once yields to other tasks."""
        await asyncio.sleep(max(seconds, 0.0))
