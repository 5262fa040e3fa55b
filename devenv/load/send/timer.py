"""A timer with the precision that pacing needs.

Event loops wait in whole milliseconds, which is as long as the response time of a fast service. Linux's timerfd wakes
the loop within tens of microseconds; on other systems the loop's own timer is used.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
import sys
from collections.abc import Callable
from typing import Protocol

_CLOCK_MONOTONIC = 1
_NONBLOCK_CLOEXEC = 0o4000 | 0o2000000
_SPEC = struct.Struct("@llll")


class Timer(Protocol):
    """A timer that calls back once after it is set; setting it again replaces the earlier time."""

    def set(self, nanoseconds: int) -> None:
        """Call back in ``nanoseconds``; immediately if that is 0 or less."""
        ...

    def close(self) -> None:
        """Cancel the callback."""
        ...


class LoopTimer:
    """The event loop's timer; late by up to a millisecond."""

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        self._loop = loop
        self._callback = callback
        self._handle: asyncio.TimerHandle | None = None

    def set(self, nanoseconds: int) -> None:
        """Call back in ``nanoseconds``."""
        self.close()
        self._handle = self._loop.call_later(max(nanoseconds, 0) / 1e9, self._callback)

    def close(self) -> None:
        """Cancel the callback."""
        if self._handle is not None:
            self._handle.cancel()


class TimerFd:
    """Linux's timerfd (``timerfd_create(2)``), watched by the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        libc = ctypes.PyDLL(None, use_errno=True)  # PyDLL keeps the interpreter's lock: these calls do not block
        self._settime = libc.timerfd_settime
        self._settime.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
        self._loop = loop
        self._callback = callback
        self._fd: int = libc.timerfd_create(_CLOCK_MONOTONIC, _NONBLOCK_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        loop.add_reader(self._fd, self._fired)

    def set(self, nanoseconds: int) -> None:
        """Call back in ``nanoseconds``; at least 1, as 0 means "never" to the kernel."""
        seconds, rest = divmod(max(nanoseconds, 1), 1_000_000_000)
        self._settime(self._fd, 0, _SPEC.pack(0, 0, seconds, rest), None)

    def close(self) -> None:
        """Cancel the callback and close the descriptor."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _fired(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return  # it was set again between the loop's wake-up and this call
        self._callback()


def make_timer(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> Timer:
    """Return the most precise timer of this platform."""
    platform: str = sys.platform
    return TimerFd(loop, callback) if platform == "linux" else LoopTimer(loop, callback)
