"""A lock for one command at a time on a project; it is released when its holder ends, also if it is killed."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from devenv.disk import make_state_directory, not_written
from devenv.errors import LockHeld
from devenv.events import LockWaiting
from devenv.immutable import immutable

if TYPE_CHECKING:
    from devenv.clock import Clock
    from devenv.events import Sink
    from devenv.model.identity import Project

PACE = 0.05
"""Seconds between attempts."""


@immutable()
class Holder:
    """The holder of a lock; ``since`` in seconds since the epoch. All are empty until it has written them."""

    pid: int = 0
    command: str = ""
    since: float = 0.0

    def __str__(self) -> str:
        return f"devenv {self.command} (pid {self.pid})" if self.pid else "another devenv command"


@asynccontextmanager
async def project_lock(project: Project, command: str, *, wait: float, clock: Clock, sink: Sink) -> AsyncIterator[None]:
    """Hold the project's lock, ``.devenv/lock``.

    The kernel (``flock``) releases the lock when the process ends.

    Args:
        project: the project to lock.
        command: what runs under the lock, for the message of those that wait.
        wait: seconds to wait at most.
        clock: measures and paces the wait.
        sink: gets one event with the holder.

    Raises:
        LockHeld: If it was not released in time; the message names the holder.
        EnvironmentFailure: If the project's directory is not writable.
    """
    path = make_state_directory(project.state_directory) / "lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise not_written(path, error) from error
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
                hint="wait until it finishes, or stop it, then try again",
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
    with suppress(OSError):  # a full disk: the lock holds without its holder's name, and `down` frees space
        os.pwrite(descriptor, text.encode(), 0)


def _read(descriptor: int) -> Holder:
    try:
        data = json.loads(os.pread(descriptor, 4096, 0))
        return Holder(int(data["pid"]), str(data["command"]), float(data["since"]))
    except (ValueError, KeyError, TypeError):
        return Holder()
