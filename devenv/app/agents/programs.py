"""Runs npm and Maven with the user's own settings, and says what to do if they fail."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.errors import EnvironmentFailure

if TYPE_CHECKING:
    from devenv.orchestrate.agents.catalogue import AgentKind

FETCH_SECONDS = 900.0
"""How long a download may take."""

_GRACE = 3.0
_LAST_LINES = 12


async def run_program(
    kind: AgentKind, arguments: Sequence[str], *, directory: Path, environ: Mapping[str, str]
) -> None:
    """Run the program that fetches an agent, in ``directory``; a cancellation ends it with all its children.

    Raises:
        EnvironmentFailure: If it is not installed, fails, or takes too long.
    """
    program = shutil.which(kind.program, path=environ.get("PATH"))
    if program is None:
        raise EnvironmentFailure(
            f"{kind.program} is not installed, which fetches the agent of {kind.title}",
            hint=f"install {kind.program}, or run `devenv agents add {kind.language} --from FILE`",
            details={"program": kind.program},
        )
    process = await asyncio.create_subprocess_exec(
        program,
        *arguments,
        cwd=directory,
        env=environ,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(FETCH_SECONDS):
            output, _ = await process.communicate()
    except TimeoutError:
        raise EnvironmentFailure(
            f"{kind.program} did not fetch {kind.package} within {FETCH_SECONDS:.0f} s",
            hint=f"check the network and {kind.program}'s settings, then try again",
        ) from None
    finally:
        await _end(process)
    if process.returncode != 0:
        raise _failure(kind, process.returncode, output.decode(errors="replace"))


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a program that still runs, and its children."""
    if process.returncode is not None:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        try:
            async with asyncio.timeout(_GRACE):
                await process.wait()
        except TimeoutError:
            continue
        return


def _failure(kind: AgentKind, code: int | None, output: str) -> EnvironmentFailure:
    lines = [line for line in output.splitlines() if line.strip()][-_LAST_LINES:]
    return EnvironmentFailure(
        f"{kind.program} could not fetch {kind.package} {kind.version} (exit code {code})",
        hint=f"check the network and {kind.program}'s settings, or take the agent from a file: "
        f"`devenv agents add {kind.language} --from FILE`",
        details={"program": kind.program, "exit_code": code, "output": lines},
    )
