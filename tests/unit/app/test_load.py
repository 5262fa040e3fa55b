"""How a load run notices that its project was removed, and that it was stopped before it began."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from devenv.app.invocation import Invocation
from devenv.app.load import load as use_case
from devenv.app.load.load import removal_check
from devenv.app.record import Record, forget_record, write_record
from devenv.clock import SystemClock
from devenv.events import ignore
from devenv.load.options import LoadOptions


def running(directory: Path) -> None:
    write_record(directory, Record(id="p-1", name="p", stack="s", engine="process"))


def test_down_is_noticed(tmp_path: Path) -> None:
    running(tmp_path)
    gone = removal_check(Invocation(directory=tmp_path))
    assert not gone()
    forget_record(tmp_path)
    assert gone()


def test_a_deleted_state_directory_is_not_taken_for_down(tmp_path: Path) -> None:
    running(tmp_path)
    gone = removal_check(Invocation(directory=tmp_path))
    shutil.rmtree(tmp_path / ".devenv")
    assert not gone()


def test_without_a_record_nothing_is_concluded(tmp_path: Path) -> None:
    assert not removal_check(Invocation(directory=tmp_path))()


async def test_a_stop_before_the_run_ends_the_wait_for_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first Ctrl-C sets `stop`, so that a run keeps what it has sent; before it, nothing else listens to it."""
    waits = asyncio.Event()

    @asynccontextmanager
    async def running(invocation: Invocation) -> AsyncIterator[None]:
        waits.set()
        await asyncio.Event().wait()
        yield

    monkeypatch.setattr(use_case, "running", running)
    stop = asyncio.Event()
    options = LoadOptions(rps=1.0, duration=1.0, target="http://127.0.0.1:9/")
    work = use_case.load(Invocation(directory=tmp_path), options, clock=SystemClock(), sink=ignore, stop=stop)
    task = asyncio.ensure_future(work)
    await waits.wait()
    stop.set()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(5):
            await task
