"""Sends requests to the project's daemon."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from devenv.disk import check_state_directory
from devenv.engine.process import daemon_file
from devenv.engine.process.daemon_messages import (
    EVENTS,
    FACTS,
    LISTENING,
    Answer,
    DaemonOperation,
    EventsSince,
    Nothing,
    ProjectEvent,
    Question,
)
from devenv.engine.process.daemon_start import start_daemon
from devenv.engine.process.json_values import MalformedMessage
from devenv.engine.process.peer import is_own_user
from devenv.engine.process.socket_path import NAME, SocketPath, abstract_name
from devenv.errors import EngineLost, EngineRefused, EngineUnavailable, NotUp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

POLL_S = 0.01
MAX_ANSWER = 16 * 2**20


class DaemonClient:
    """Requests to the daemon of the project whose ``.devenv/`` is ``directory``."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._starting = asyncio.Lock()

    async def ask(self, operation: DaemonOperation[Question, Answer], question: Question) -> Answer:
        """Send one request and return its answer.

        Raises:
            NotUp: If no daemon runs.
            EngineLost: If it went away meanwhile.
            EngineRefused: If its reply cannot be read.
            DevenvError: What the daemon itself raised.
        """
        async with self._connection() as (reader, writer):
            try:
                writer.write(operation.request(question))
                await writer.drain()
                reply = await reader.readline()
            except ConnectionError as error:
                raise _lost(operation.name) from error
        return _result(operation, reply)

    async def events(self, since: float) -> AsyncIterator[ProjectEvent]:
        """Events from ``since`` (seconds since the epoch) until the caller stops.

        Raises:
            NotUp: If no daemon runs.
            EngineLost: If it went away.
            EngineRefused: If its reply cannot be read.
        """
        async with self._connection() as (reader, writer):
            try:
                writer.write(EVENTS.request(EventsSince(since=since)))
                _result(LISTENING, await reader.readline())
                while reply := await reader.readline():
                    yield _result(EVENTS, reply)
            except ConnectionError as error:
                raise _lost(EVENTS.name) from error

    async def ensure(self) -> None:
        """Start the daemon unless it runs.

        Raises:
            EngineUnavailable: If it does not start; see :func:`devenv.engine.process.daemon_start.start_daemon`.
        """
        async with self._starting:
            if await self.answers():
                return
            await start_daemon(self._directory, self.answers)

    async def answers(self) -> bool:
        """Whether a daemon answers."""
        try:
            await self.ask(FACTS, Nothing())
        except (NotUp, EngineLost):
            return False
        return True

    async def gone(self, seconds: float) -> bool:
        """Wait until the daemon has ended; ``False`` if it has not within ``seconds``."""
        deadline = time.monotonic() + seconds
        while daemon_file.exists(self._directory) or await self.answers():
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(POLL_S)
        return True

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await self._connected()
        try:
            if not is_own_user(writer):
                raise EngineRefused(
                    f"the daemon of {self._directory} belongs to another user", hint=f"remove {self._directory}"
                )
            yield reader, writer
        finally:
            writer.close()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the socket in ``.devenv/``, or, if that was removed, to the one without a file."""
        if check_state_directory(self._directory):
            try:
                with SocketPath(self._directory) as path, suppress(FileNotFoundError, ConnectionRefusedError):
                    return await asyncio.open_unix_connection(path, limit=MAX_ANSWER)
            except OSError as error:
                raise EngineUnavailable(
                    f"cannot connect to {self._directory / NAME}: {error.strerror or error}",
                    hint=f"check the permissions of {self._directory} and what it contains",
                ) from error
        if name := abstract_name(self._directory):
            with suppress(ConnectionRefusedError):
                return await _open_abstract(name)
        raise NotUp("no process engine daemon is running for this project")


async def _open_abstract(name: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to a socket that has no file; uvloop itself only accepts the paths of files."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, name)
        return await asyncio.open_unix_connection(sock=connection, limit=MAX_ANSWER)
    except BaseException:
        connection.close()
        raise


def _result(operation: DaemonOperation[Question, Answer], reply: bytes) -> Answer:
    if not reply:
        raise _lost(operation.name)
    try:
        return operation.result(reply)
    except MalformedMessage as error:
        raise EngineRefused(
            f"cannot read the reply of the process engine's daemon: {error}",
            hint="if another version of devenv started it, stop the project with that version",
        ) from error


def _lost(operation: str) -> EngineLost:
    return EngineLost(
        f"the process engine's daemon exited during {operation}", hint="run `devenv up` to start it again"
    )
