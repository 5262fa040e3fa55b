"""The guardian: a small process that ends leftover processes when the daemon dies.

A daemon that is killed cannot stop its children. The guardian holds the reading end of a pipe whose writing end only
the daemon has: each line names a process group that was added or has ended, and the end of the pipe means that the
daemon has died. Then the guardian ends every group that is left and exits. It is forked before anything heavy is
imported, in its own session, so that neither a terminal nor a signal to the daemon's group reaches it.
"""

from __future__ import annotations

import os
import signal
import time

GRACE_S = 2.0


def watch(directory: str = "") -> int:
    """Fork the guardian; returns the writing end of its pipe, for lines ``+<pgid>``, ``-<pgid>`` and ``end``.

    Args:
        directory: the project's ``.devenv/``; what has the mark of this daemon is ended too, whatever its group.
    """
    daemon = os.getpid()
    reading, writing = os.pipe()
    os.set_inheritable(writing, False)
    child = os.fork()
    if child == 0:
        os.close(writing)
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        if _guard(reading) and directory:
            _end_marked(directory, daemon)
        os._exit(0)
    os.close(reading)
    return writing


def _guard(reading: int) -> bool:
    """Whether the daemon was killed; ``False`` if it has ended in order."""
    groups: set[int] = set()
    rest = b""
    while chunk := os.read(reading, 65536):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line == b"end":
                return False
            number = int(line[1:])
            if line[:1] == b"+":
                groups.add(number)
            else:
                groups.discard(number)
    end_groups(groups)
    return True


def _end_marked(directory: str, daemon: int) -> None:
    import asyncio
    from pathlib import Path

    from devenv.engine.process.membership import Member, end_all, marked, project_directory

    project = project_directory(Path(directory))

    def of_this_daemon() -> list[Member]:
        return [member for member in marked(project) if member.mark is not None and member.mark.daemon == daemon]

    asyncio.run(end_all(of_this_daemon))


def end_groups(groups: set[int], *, grace: float = GRACE_S) -> None:
    """SIGTERM to each process group, then SIGKILL to those that are still there after ``grace`` seconds."""
    left = {group for group in groups if send(group, signal.SIGTERM)}
    deadline = time.monotonic() + grace
    while left and time.monotonic() < deadline:
        time.sleep(0.02)
        left = {group for group in left if send(group, 0)}
    for group in left:
        send(group, signal.SIGKILL)


def send(group: int, number: int) -> bool:
    """Send a signal to a process group; ``False`` if it no longer exists."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
