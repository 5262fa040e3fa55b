"""A daemon that does not answer, because it is busy: an interrupted command does not wait for it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from devenv.app.environment.status import status
from devenv.app.invocation import Invocation
from devenv.clock import SystemClock
from devenv.contract.answers import LogLine
from devenv.engine.process import ProcessEngine, log_reader
from devenv.engine.process.socket_path import SocketPath
from devenv.errors import NotUp
from devenv.testing import make_project


@pytest.fixture
async def asked(tmp_path: Path) -> AsyncIterator[asyncio.Event]:
    """A socket in the place of the daemon's that accepts requests and never answers; set with the first request."""
    event = asyncio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        event.set()
        await reader.read()
        writer.close()

    (tmp_path / ".devenv").mkdir(mode=0o700)
    with SocketPath(tmp_path / ".devenv") as path:
        server = await asyncio.start_unix_server(accept, path)
    yield event
    server.close()


async def interrupted_after(task: asyncio.Task[object]) -> float:
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return time.monotonic() - began


async def test_a_command_that_waits_for_the_daemon_ends(tmp_path: Path, asked: asyncio.Event) -> None:
    invocation = Invocation(directory=tmp_path, engine="process")
    task: asyncio.Task[object] = asyncio.create_task(status(invocation, clock=SystemClock()))
    await asked.wait()
    assert await interrupted_after(task) < 1.0


async def test_closing_after_an_interrupt_is_bounded(tmp_path: Path, asked: asyncio.Event) -> None:
    async def command() -> None:
        engine = ProcessEngine(make_project(tmp_path))
        try:
            await asyncio.sleep(600)
        finally:
            await engine.close()

    task: asyncio.Task[object] = asyncio.create_task(command())
    await asyncio.sleep(0)
    assert await interrupted_after(task) < 1.0
    assert asked.is_set()


async def test_closing_without_a_daemon_waits_for_nothing(tmp_path: Path) -> None:
    engine = ProcessEngine(make_project(tmp_path))
    await engine.close()
    with pytest.raises(NotUp):
        await status(Invocation(directory=tmp_path, engine="process"), clock=SystemClock())


def test_long_output_holds_up_no_interrupt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of the event loop waits for the threads of `asyncio.to_thread`."""
    asked, end = threading.Event(), threading.Event()

    def read(*_: object) -> list[LogLine]:
        asked.set()
        end.wait(20)
        return []

    async def interrupted() -> None:
        engine = ProcessEngine(make_project(tmp_path))

        async def lines() -> list[LogLine]:
            return [line async for line in engine.logs("web-1")]

        task = asyncio.create_task(lines())
        await asyncio.to_thread(asked.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    monkeypatch.setattr(log_reader, "read_lines", read)
    began = time.monotonic()
    asyncio.run(interrupted())
    took = time.monotonic() - began
    end.set()
    assert took < 10
