"""Commands in running containers, which end with their caller.

The engine has no request that ends a command, so each has a mark in its environment, which its children inherit. It is
ended by a second command in the container, or by the engine's pid if the container has no shell.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.contract.answers import ExecResult
from devenv.engine.docker.sdk_connection import SdkConnection
from devenv.errors import DevenvError

if TYPE_CHECKING:
    from docker import APIClient

MARK = "DEVENV_EXEC"

END_S, POLL_S = 3.0, 0.05

_KILL = (
    "for file in /proc/[0-9]*/environ; do "
    'if grep -q "$0" "$file" 2>/dev/null; then pid=${file%/environ}; kill -9 "${pid#/proc/}" 2>/dev/null; fi; '
    "done; true"
)


async def run_command(
    connection: SdkConnection,
    container_id: str,
    command: Sequence[str],
    *,
    environment: Mapping[str, str] | None,
    user: str = "",
    privileged: bool = False,
    working_dir: str = "",
) -> ExecResult:
    """Run a command in a running container and collect its output; cancelled, it is ended."""
    doing, mark = f"running {command[0]}", new_mark()
    marked = {**(environment or {}), MARK: mark}

    def run(client: APIClient) -> ExecResult:
        output = client.exec_start(exec_id)
        code = client.exec_inspect(exec_id)["ExitCode"]
        return ExecResult(exit_code=-1 if code is None else code, output=output)

    made = await connection.call(
        lambda client: client.exec_create(
            container_id,
            list(command),
            environment=marked,
            user=user,
            privileged=privileged,
            workdir=working_dir or None,
        ),
        doing=doing,
    )
    exec_id = str(made["Id"])
    try:
        return await connection.long_call(run, doing=doing)
    except asyncio.CancelledError:
        await end_command(connection, container_id, exec_id, mark)
        raise


def new_mark() -> str:
    """A value of the variable :data:`MARK` that nothing else has."""
    return secrets.token_hex(12)


async def end_command(connection: SdkConnection, container_id: str, exec_id: str, mark: str) -> None:
    """End a command and its children; an engine that does not answer ends the attempt without an error."""
    with suppress(TimeoutError, DevenvError):
        async with asyncio.timeout(END_S):
            while await _pid(connection, exec_id):
                await connection.call(lambda client: _end(client, container_id, mark), doing="ending a command")
                if pid := await _pid(connection, exec_id):
                    _end_here(pid, mark)
                    await asyncio.sleep(POLL_S)


async def _pid(connection: SdkConnection, exec_id: str) -> int:
    """The command's pid on the engine's machine; 0 if it does not run."""
    found = await connection.call(lambda client: client.exec_inspect(exec_id), doing="asking for a command")
    return int(found["Pid"] or 0) if found["Running"] else 0


def _end(client: APIClient, container_id: str, mark: str) -> None:
    from docker.errors import APIError

    with suppress(APIError):  # the container has no shell, or has ended
        client.exec_start(client.exec_create(container_id, ["sh", "-c", _KILL, mark])["Id"])


def _end_here(pid: int, mark: str) -> None:
    """End it from outside, if the engine's pids are those of this machine, which the mark shows."""
    with suppress(OSError):
        if mark.encode() in Path(f"/proc/{pid}/environ").read_bytes():
            os.kill(pid, signal.SIGKILL)
