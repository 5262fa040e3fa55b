"""Which processes belong to an instance, whatever session or group they put themselves in.

The daemon gives each instance a mark in its environment, which its descendants inherit. A process is one of ours if its
pid still has the start time that was seen together with the mark. Off Linux nothing is found.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from devenv.engine.process.process_identity import PROC, start_time
from devenv.errors import EngineRefused
from devenv.immutable import immutable

MARK = "DEVENV_INSTANCE"
END_S, POLL_S = 2.0, 0.02

_ZOMBIE = {b"Z", b"X"}


@immutable(kw_only=True)
class Mark:
    """The value of the variable :data:`MARK`: an instance, the daemon that runs it, and its project's directory."""

    project: str
    service: str
    index: int
    daemon: int
    daemon_born: int
    directory: str

    def __str__(self) -> str:
        return f"{self.project} {self.service} {self.index} {self.daemon}:{self.daemon_born} {self.directory}"

    @property
    def instance_id(self) -> str:
        """ID of the instance, as the process engine forms it."""
        return f"{self.service}-{self.index}"


@immutable(kw_only=True)
class Member:
    """A process; ``parent`` is a pid, ``mark`` is ``None`` if its environment has none or cannot be read."""

    pid: int
    born: int
    parent: int
    name: str
    mark: Mark | None

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid})"

    def end(self) -> None:
        """Send SIGKILL, unless the pid belongs to another process now or to a user whom we cannot signal."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except OSError:
            return  # it has ended
        try:
            if start_time(self.pid) == self.born:
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return  # it has ended, or is found again by the caller
        finally:
            os.close(descriptor)


def project_directory(state_directory: Path) -> str:
    """The directory as marks name it, from the path of its ``.devenv/``, which may not exist."""
    return os.path.realpath(state_directory.parent)


def processes() -> tuple[Member, ...]:
    """All processes of this machine that can be seen, without those that have ended and this one."""
    own = os.getpid()
    try:
        names = os.listdir(PROC)  # noqa: PTH208 - only the names
    except OSError:
        return ()
    found = (_member(int(name)) for name in names if name.isdecimal() and int(name) != own)
    return tuple(member for member in found if member is not None)


def marked(directory: str, instance_id: str | None = None) -> tuple[Member, ...]:
    """Processes of one instance of a project, or of all; ``directory`` as :func:`project_directory` returns it."""
    return tuple(
        member
        for member in processes()
        if member.mark is not None
        and member.mark.directory == directory
        and instance_id in {None, member.mark.instance_id}
    )


def descendants(found: Iterable[Member], pid: int) -> tuple[Member, ...]:
    """The processes of ``found`` that ``pid`` started, directly or through others."""
    members = tuple(found)
    family, size = {pid}, 0
    while size != len(family):
        size = len(family)
        family |= {member.pid for member in members if member.parent in family}
    return tuple(member for member in members if member.pid in family and member.pid != pid)


def running(pid: int, born: int) -> tuple[Member, ...]:
    """The process with this pid and start time, if it has not ended."""
    found = _member(pid)
    return (found,) if found is not None and found.born == born else ()


def cannot_end(name: str, left: Iterable[Member]) -> EngineRefused:
    """The error for an instance of which processes are left."""
    found = tuple(left)
    those = ", ".join(map(str, found)) or "its process"
    it, its = ("it", "its user") if len(found) <= 1 else ("them", "their user")
    return EngineRefused(
        f"{name}: cannot end {those}",
        hint=f"end {it} with the rights of {its}, then run `devenv down` again; "
        "a process that waits for a device ends when the device answers",
        details={"processes": [{"pid": member.pid, "name": member.name} for member in found]},
    )


async def end_all(find: Callable[[], Iterable[Member]]) -> tuple[Member, ...]:
    """End what ``find`` returns until it returns nothing; it runs in a thread. Returns what could not be ended."""
    deadline = time.monotonic() + END_S
    while found := tuple(await asyncio.to_thread(find)):
        if time.monotonic() > deadline:
            return found
        for member in found:
            member.end()
        await asyncio.sleep(POLL_S)
    return ()


def _member(pid: int) -> Member | None:
    try:
        stat = (PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    start, _, rest = stat.rpartition(b")")
    fields = rest.split()
    if fields[0] in _ZOMBIE:
        return None
    name = start.partition(b"(")[2].decode(errors="replace")
    return Member(pid=pid, born=int(fields[19]), parent=int(fields[1]), name=name, mark=_mark(pid))


def _mark(pid: int) -> Mark | None:
    try:
        environment = (PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return None
    prefix = f"{MARK}=".encode()
    for entry in environment.split(b"\0") if prefix in environment else ():
        if entry.startswith(prefix):
            return _parsed(os.fsdecode(entry[len(prefix) :]))
    return None


def _parsed(text: str) -> Mark | None:
    try:
        project, service, index, daemon, directory = text.split(" ", 4)
        pid, born = daemon.split(":")
        return Mark(
            project=project,
            service=service,
            index=int(index),
            daemon=int(pid),
            daemon_born=int(born),
            directory=directory,
        )
    except ValueError:
        return None
