"""A timer with the precision that pacing needs.

Event loops wait in whole milliseconds, which is as much as a quick service's whole response time. Linux's timerfd tells
the loop within tens of microseconds; elsewhere the loop's own timer has to do.
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
    """Calls back once, some nanoseconds after it was set; setting it again replaces that."""

    def set(self, nanoseconds: int) -> None:
        """Call back in ``nanoseconds``, at once if that is not above 0."""
        ...

    def close(self) -> None:
        """Call back no more."""
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
        """Call back no more."""
        if self._handle is not None:
            self._handle.cancel()


class TimerFd:
    """Linux's timerfd (``timerfd_create(2)``), watched by the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        libc = ctypes.PyDLL(None, use_errno=True)  # keeps the interpreter's lock: these calls do not block
        self._settime = libc.timerfd_settime
        self._settime.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
        self._loop = loop
        self._callback = callback
        self._fd: int = libc.timerfd_create(_CLOCK_MONOTONIC, _NONBLOCK_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        loop.add_reader(self._fd, self._fired)

    def set(self, nanoseconds: int) -> None:
        """Call back in ``nanoseconds``; the kernel takes 0 for "never", hence at least 1."""
        seconds, rest = divmod(max(nanoseconds, 1), 1_000_000_000)
        self._settime(self._fd, 0, _SPEC.pack(0, 0, seconds, rest), None)

    def close(self) -> None:
        """Call back no more, and free the descriptor."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _fired(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return  # it was set anew between the loop's waking and this call
        self._callback()


def make_timer(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> Timer:
    """The most precise timer that there is here."""
    platform: str = sys.platform
    return TimerFd(loop, callback) if platform == "linux" else LoopTimer(loop, callback)
