"""Starts the project's daemon, and waits until it answers."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from devenv import errors
from devenv.disk import make_state_directory, not_written
from devenv.engine.process.membership import MARK
from devenv.engine.process.process_identity import PROC
from devenv.errors import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

START_TIMEOUT_S = 60.0
"""A process that works is waited for so long: on a busy machine a start takes many times the usual half second."""

STALLED_S = 20.0
"""A process that has not used the processor for so long is not waited for."""

POLL_S = 0.01


async def start_daemon(directory: Path, answers: Callable[[], Awaitable[bool]]) -> None:
    """Start the daemon of the project whose ``.devenv/`` is ``directory``, and wait while it starts.

    Args:
        directory: is created if it does not exist.
        answers: whether the daemon answers.

    Raises:
        EngineUnavailable: If it ends, stalls or takes too long, and is then ended; the details have the end of its log.
    """
    log = make_state_directory(directory) / "daemon.log"
    process = _spawn(directory, log)
    try:
        await _until_answering(process, answers, log)
    except BaseException:
        process.kill()  # what is not waited for any more must not come up later
        raise


async def _until_answering(process: subprocess.Popen[bytes], answers: Callable[[], Awaitable[bool]], log: Path) -> None:
    begun = moved = time.monotonic()
    used = _processor_time(process.pid)
    while not await answers():
        now = time.monotonic()
        if process.poll() is not None:
            tail = _tail(log)
            raise _not_started(tail[-1] if tail and process.returncode else f"exit code {process.returncode}", log)
        if (current := _processor_time(process.pid)) != used or current == 0:
            used, moved = current, now
        if now - moved > STALLED_S:
            raise _not_started(f"its process (pid {process.pid}) waits for something since {now - moved:.0f} s", log)
        if now - begun > START_TIMEOUT_S:
            raise _not_started(f"no answer within {START_TIMEOUT_S:.0f} s; this machine may be too busy", log)
        await asyncio.sleep(POLL_S)


def _not_started(reason: str, log: Path) -> EngineUnavailable:
    return EngineUnavailable(
        f"the process engine's daemon did not start: {reason}", hint=f"see {log}", details={"output": _tail(log)}
    )


def _processor_time(pid: int) -> int:
    """What a process has used of the processor, in the kernel's ticks; 0 if that is not known."""
    try:
        fields = (PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


def _spawn(directory: Path, log: Path) -> subprocess.Popen[bytes]:
    """Start the daemon, which is not waited for, with its output in ``log``."""
    try:
        with log.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "devenv.daemon", str(directory)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                cwd="/",
                env=_environment(),
            )
    except OSError as error:
        if error.filename == str(log):
            raise not_written(log, error) from error
        raise EngineUnavailable(
            f"cannot start the process engine's daemon with {sys.executable}: {error.strerror or error}",
            hint="check that this Python exists, and that this user may start another process",
        ) from error


def _tail(log: Path) -> list[str]:
    """The last lines of the daemon's log that are not empty."""
    try:
        content = log.read_text(errors="replace")
    except OSError as error:
        return [str(error)]
    return [line for line in content.splitlines() if line.strip()][-5:]


def _environment() -> dict[str, str]:
    """The daemon's environment: the user's, and the directory of this very devenv on the import path."""
    package_parent = os.path.dirname(os.path.dirname(errors.__file__))  # noqa: PTH120 - the parent of the package
    found = {name: value for name, value in os.environ.items() if name != MARK}
    known = found.get("PYTHONPATH")
    if package_parent not in sys.path[1:]:
        found["PYTHONPATH"] = package_parent + (os.pathsep + known if known else "")
    return found
