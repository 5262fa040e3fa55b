"""One command at a time on a project: a lock that waits or says who holds it, and that a killed holder frees."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devenv.disk import make_state_directory
from devenv.errors import LockHeld
from devenv.events import LockWaiting

if TYPE_CHECKING:
    from devenv.clock import Clock
    from devenv.events import Sink
    from devenv.model.identity import Project

PACE = 0.05
"""Seconds between attempts."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock; ``since`` in seconds since the epoch. All unknown where the holder has not said it yet."""

    pid: int = 0
    command: str = ""
    since: float = 0.0

    def __str__(self) -> str:
        return f"devenv {self.command} (pid {self.pid})" if self.pid else "another devenv command"


@asynccontextmanager
async def project_lock(project: Project, command: str, *, wait: float, clock: Clock, sink: Sink) -> AsyncIterator[None]:
    """Hold the project's lock, ``.devenv/lock``.

    The lock is the kernel's (``flock``): it ends with its holder, however that ended.

    Args:
        project: to be locked.
        command: what is done under the lock, for whoever has to wait.
        wait: seconds to wait for it.
        clock: measures and paces the wait.
        sink: told once who is waited for.

    Raises:
        LockHeld: it did not become free in time; the message names the holder.
        EnvironmentFailure: the project's directory cannot be written.
    """
    path = make_state_directory(project.state_directory) / "lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        await _acquire(descriptor, project, wait=wait, clock=clock, sink=sink)
        _write(descriptor, Holder(os.getpid(), command, clock.now()))
        try:
            yield
        finally:
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


async def _acquire(descriptor: int, project: Project, *, wait: float, clock: Clock, sink: Sink) -> None:
    deadline = clock.monotonic() + wait
    told = False
    while not _try(descriptor):
        holder = _read(descriptor)
        if clock.monotonic() >= deadline:
            raise LockHeld(
                f"{project.name} is locked by {holder}",
                hint="wait for it to end, or end it, and try again",
                details={"pid": holder.pid, "command": holder.command, "since": holder.since},
            )
        if not told:
            sink(LockWaiting(holder=str(holder)))
            told = True
        await clock.sleep(PACE)


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write(descriptor: int, holder: Holder) -> None:
    text = json.dumps({"pid": holder.pid, "command": holder.command, "since": holder.since})
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode(), 0)


def _read(descriptor: int) -> Holder:
    try:
        data = json.loads(os.pread(descriptor, 4096, 0))
        return Holder(int(data["pid"]), str(data["command"]), float(data["since"]))
    except (ValueError, KeyError, TypeError):
        return Holder()
