"""Commands beside an instance: in its directory, with its environment."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

from devenv.contract.answers import ExecResult
from devenv.engine.process.membership import MARK
from devenv.errors import EngineRefused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from devenv.engine.process.daemon_messages import InstanceReport


async def collected(report: InstanceReport, command: Sequence[str], environment: Mapping[str, str]) -> ExecResult:
    """Run ``command`` and collect its output; exit code 127 if it cannot start."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=report.cwd,
            env={**report.environment, **environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        return ExecResult(exit_code=127, output=str(error).encode())
    try:
        output, _ = await process.communicate()
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        raise
    return ExecResult(exit_code=_code(process.returncode), output=output)


async def attached(report: InstanceReport, command: Sequence[str]) -> int:
    """Run ``command`` with this process's own streams, which may be a terminal, and return its exit code.

    Raises:
        EngineRefused: If the command does not exist, or cannot be run.
    """
    if shutil.which(command[0], path=report.environment.get("PATH")) is None:
        raise EngineRefused(f"{command[0]}: command not found", hint="add its directory to the service's PATH")
    # What the user starts by hand is not the service's: without the mark it does not end with it.
    environment = {name: value for name, value in report.environment.items() if name != MARK}
    try:
        process = await asyncio.create_subprocess_exec(*command, cwd=report.cwd, env=environment)
    except OSError as error:
        raise EngineRefused(
            f"cannot run {command[0]} in {report.cwd}: {error.strerror or error}",
            hint="check that the directory exists and that the command is a program of this machine",
        ) from error
    try:
        return _code(await process.wait())
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        raise


def _code(returncode: int | None) -> int:
    """Exit code as a shell reports it: 128 and the signal's number if a signal ended the process."""
    code = returncode or 0
    return code if code >= 0 else 128 - code
