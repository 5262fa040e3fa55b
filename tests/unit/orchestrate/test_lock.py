"""The project's lock and its state directory."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from devenv.errors import EnvironmentFailure, LockHeld
from devenv.events import Event, LockWaiting, ignore
from devenv.model.identity import Project, identify
from devenv.orchestrate.lock import project_lock
from devenv.testing import FakeClock

HOLD = """
import asyncio, sys
from pathlib import Path
from devenv.clock import SystemClock
from devenv.events import ignore
from devenv.model.identity import identify
from devenv.orchestrate.lock import project_lock

async def hold():
    async with project_lock(identify(Path(sys.argv[1])), "up", wait=0, clock=SystemClock(), sink=ignore):
        print("held", flush=True)
        await asyncio.sleep(60)

asyncio.run(hold())
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return identify(tmp_path)


async def test_the_holder_is_written_and_wiped(project: Project) -> None:
    path = project.state_directory / "lock"
    async with project_lock(project, "up", wait=0, clock=FakeClock(start=5.0), sink=ignore):
        assert json.loads(path.read_text()) == {"pid": os.getpid(), "command": "up", "since": 5.0}
    assert path.read_text() == ""
    assert project.state_directory.stat().st_mode & 0o777 == 0o700
    assert (project.state_directory / ".gitignore").read_text() == "*\n"


async def test_a_second_command_says_who_holds_it(project: Project) -> None:
    clock = FakeClock()
    events: list[Event] = []
    async with project_lock(project, "up", wait=0, clock=clock, sink=ignore):
        with pytest.raises(LockHeld) as caught:
            async with project_lock(project, "down", wait=2.0, clock=clock, sink=events.append):
                pytest.fail("two hold it")
    assert f"devenv up (pid {os.getpid()})" in caught.value.message
    assert caught.value.details["pid"] == os.getpid()
    assert events == [LockWaiting(holder=f"devenv up (pid {os.getpid()})")]
    assert clock.monotonic() == pytest.approx(2.0, abs=0.1)


async def test_a_second_command_goes_on_when_the_first_ends(project: Project) -> None:
    clock = FakeClock()
    order: list[str] = []

    async def first() -> None:
        async with project_lock(project, "up", wait=0, clock=clock, sink=ignore):
            order.append("first")
            await clock.sleep(1.0)
            order.append("first ends")

    async def second() -> None:
        await clock.sleep(0.5)
        async with project_lock(project, "down", wait=10.0, clock=clock, sink=ignore):
            order.append("second")

    await asyncio.gather(first(), second())
    assert order == ["first", "first ends", "second"]


async def test_an_error_under_the_lock_frees_it(project: Project) -> None:
    clock = FakeClock()
    with pytest.raises(ZeroDivisionError):
        async with project_lock(project, "up", wait=0, clock=clock, sink=ignore):
            raise ZeroDivisionError
    async with project_lock(project, "down", wait=0, clock=clock, sink=ignore):
        pass


async def test_a_killed_holder_frees_it(project: Project) -> None:
    command = [sys.executable, "-c", HOLD, str(project.directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:  # noqa: ASYNC220 - nothing else runs
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(LockHeld, match=rf"devenv up \(pid {holder.pid}\)"):
            async with project_lock(project, "down", wait=0, clock=FakeClock(), sink=ignore):
                pytest.fail("two hold it")
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    async with project_lock(project, "down", wait=0, clock=FakeClock(), sink=ignore):
        pass


async def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(EnvironmentFailure, match=r"cannot create .*\.devenv: Not a directory"):
        async with project_lock(
            Project(directory=blocked, name="x", id="x-1"), "up", wait=0, clock=FakeClock(), sink=ignore
        ):
            pytest.fail("no lock without a directory")
