"""Talks to the project's daemon, and starts it where it does not run."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from devenv import errors
from devenv.engine.process.socket_path import SocketPath
from devenv.errors import DevenvError, EngineLost, EngineUnavailable, NotUp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

START_TIMEOUT_S = 10.0
POLL_S = 0.01
MAX_ANSWER = 16 * 2**20


class Control:
    """Requests to the daemon of the project whose ``.devenv/`` is ``directory``."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._starting = asyncio.Lock()

    async def ask(self, operation: str, **fields: Any) -> Any:
        """One request and its answer.

        Raises:
            NotUp: no daemon runs.
            EngineLost: it went away in the middle.
            DevenvError: what the daemon itself raised.
        """
        async with self._connection() as (reader, writer):
            try:
                writer.write(json.dumps({"op": operation, **fields}).encode() + b"\n")
                await writer.drain()
                line = await reader.readline()
            except ConnectionError as error:
                raise _lost(operation) from error
        if not line:
            raise _lost(operation)
        answer = json.loads(line)
        if "error" in answer:
            raise _translated(answer["error"])
        return answer["ok"]

    async def stream(self, operation: str, **fields: Any) -> AsyncIterator[dict[str, Any]]:
        """Answers of a stream, one by one, until the daemon ends it or the caller stops."""
        async with self._connection() as (reader, writer):
            writer.write(json.dumps({"op": operation, **fields}).encode() + b"\n")
            await reader.readline()
            while line := await reader.readline():
                yield json.loads(line)

    async def ensure(self) -> None:
        """Start the daemon unless it runs.

        Raises:
            EngineUnavailable: it did not come up; the message has the end of its log.
        """
        async with self._starting:
            if await self.answers():
                return
            log = self._directory / "daemon.log"
            with log.open("ab") as output:
                process = subprocess.Popen(  # noqa: ASYNC220 - it only forks; the daemon is waited for below
                    [sys.executable, "-m", "devenv.daemon", str(self._directory)],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                    cwd="/",
                    env=_environment(),
                )
            deadline = time.monotonic() + START_TIMEOUT_S
            while not await self.answers():
                if process.poll() is not None or time.monotonic() > deadline:
                    tail = log.read_text(errors="replace").splitlines()[-5:]
                    raise EngineUnavailable(
                        "the process engine's daemon did not come up", hint=f"see {log}", details={"output": tail}
                    )
                await asyncio.sleep(POLL_S)

    async def answers(self) -> bool:
        """Whether a daemon answers."""
        try:
            await self.ask("info")
        except (NotUp, EngineLost):
            return False
        return True

    async def gone(self, seconds: float) -> bool:
        """Wait until the daemon has ended; ``False`` where it has not within ``seconds``."""
        deadline = time.monotonic() + seconds
        while (self._directory / "daemon.json").exists() or await self.answers():
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(POLL_S)
        return True

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        if not self._directory.is_dir():
            raise NotUp("no daemon runs for this project")
        with SocketPath(self._directory) as path:
            try:
                reader, writer = await asyncio.open_unix_connection(path, limit=MAX_ANSWER)
            except (FileNotFoundError, ConnectionRefusedError) as error:
                raise NotUp("no daemon runs for this project") from error
        try:
            yield reader, writer
        finally:
            writer.close()


def _environment() -> dict[str, str]:
    """The daemon's environment: the user's, and the directory of this very devenv on the import path."""
    package_parent = os.path.dirname(os.path.dirname(errors.__file__))  # noqa: PTH120 - the parent of the package
    found = dict(os.environ)
    known = found.get("PYTHONPATH")
    if package_parent not in sys.path[1:]:
        found["PYTHONPATH"] = package_parent + (os.pathsep + known if known else "")
    return found


def _lost(operation: str) -> EngineLost:
    return EngineLost(f"the process engine's daemon went away during {operation}", hint="devenv up starts it again")


def _translated(part: dict[str, Any]) -> DevenvError:
    """The daemon's error as the class that it was there."""
    cls = getattr(errors, part["kind"], DevenvError)
    return cls(part["message"], hint=part["hint"], details=part["details"])
