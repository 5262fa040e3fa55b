"""A daemon that ends while it is asked, as at the end of `devenv down`, leaves no instance: that is not a fault."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from devenv.engine.process import ProcessEngine
from devenv.engine.process.socket_path import NAME
from devenv.testing import make_project


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[ProcessEngine]:
    """An engine whose daemon takes each question and ends without an answer."""
    project = make_project(tmp_path)
    directory = project.directory / ".devenv"
    directory.mkdir(mode=0o700, exist_ok=True)

    async def ends(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.close()

    server = await asyncio.start_unix_server(ends, directory / NAME)
    async with server:
        yield ProcessEngine(project)


async def test_it_has_no_instance_and_no_history(engine: ProcessEngine, tmp_path: Path) -> None:
    assert await engine.endpoint("web-1", 8080) is None
    assert await engine.usage("web-1") is None
    assert await engine.history(make_project(tmp_path), since=0.0) == []


async def test_what_is_followed_has_ended(engine: ProcessEngine, tmp_path: Path) -> None:
    log = tmp_path / ".devenv" / "logs" / "web-1.log"
    log.parent.mkdir(exist_ok=True)
    log.write_text("")
    async with asyncio.timeout(20):
        assert [line async for line in engine.logs("web-1", follow=True)] == []
