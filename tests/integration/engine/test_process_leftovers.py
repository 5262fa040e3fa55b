"""What belongs to an instance is found whatever session or group it put itself in, and nothing else is touched."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from engine_harness import Harness, process

from devenv.engine.process import ProcessEngine
from devenv.engine.process.process_identity import start_time
from devenv.model.state import State

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="marks are read from /proc")


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[Harness]:
    async with process(tmp_path) as made:
        yield made


def written(file: Path) -> str:
    return file.read_text().strip() if file.exists() else ""


def sleeper(**environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "600"], start_new_session=True, env={**os.environ, **environment})


def read_stat(file: Path) -> list[str]:
    """State, parent and so on, and the pid at the end; empty if the process has ended meanwhile."""
    try:
        return [*file.read_text().rpartition(")")[2].split(), file.parent.name]
    except (FileNotFoundError, ProcessLookupError):
        return []


def children(pid: int) -> dict[int, str]:
    """State by pid."""
    stats = [read_stat(file) for file in Path("/proc").glob("[0-9]*/stat")]
    return {int(fields[-1]): fields[0] for fields in stats if fields and int(fields[1]) == pid}


async def pid_in(file: Path) -> int:
    """The pid that a service wrote to a file."""
    for _ in range(200):
        if text := written(file):
            return int(text)
        await asyncio.sleep(0.05)
    raise AssertionError(f"{file} was not written")


async def ends(pid: int, seconds: float = 5) -> bool:
    deadline = time.monotonic() + seconds
    while start_time(pid):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            return False
        await asyncio.sleep(0.02)
    return True


def daemon_pid(harness: Harness) -> int:
    return int(json.loads((harness.project.directory / ".devenv" / "daemon.json").read_text())["pid"])


ESCAPES = {
    "session": "setsid sh -c 'echo $$ > {file}; exec sleep 600' & sleep 600",
    "session, without its environment": "env -i setsid sh -c 'echo $$ > {file}; exec sleep 600' & sleep 600",
    "orphan": "(setsid sh -c 'echo $$ > {file}; exec sleep 600' &) ; sleep 600",
    "orphan, without its environment": "(env -i setsid sh -c 'echo $$ > {file}; exec sleep 600' &) ; sleep 600",
}


@pytest.mark.parametrize("line", ESCAPES.values(), ids=ESCAPES)
async def test_removal_ends_what_left_the_group(harness: Harness, tmp_path: Path, line: str) -> None:
    instance_id = await harness.run(line.format(file=tmp_path / "pid"))
    pid = await pid_in(tmp_path / "pid")
    await harness.engine.remove(instance_id)
    assert await ends(pid)
    assert not (await harness.engine.observe(None)).instances


async def test_a_daemonized_service_ends_with_its_main_process(harness: Harness, tmp_path: Path) -> None:
    """As in a container: nothing outlives process 1."""
    instance_id = await harness.run(f"setsid sh -c 'echo $$ > {tmp_path}/pid; exec sleep 600' & sleep 0.3")
    pid = await pid_in(tmp_path / "pid")
    await harness.engine.wait(instance_id)
    assert await ends(pid)


async def test_neighbours_and_foreign_processes_live_on(harness: Harness, tmp_path: Path) -> None:
    bystander = sleeper()
    of_another_project = sleeper(DEVENV_INSTANCE=f"x-000000 web 1 1:1 {tmp_path}/elsewhere")
    line = "setsid sh -c 'echo $$ > {file}; exec sleep 600' & sleep 600"
    first = await harness.run(line.format(file=tmp_path / "one"))
    await harness.run(line.format(file=tmp_path / "two"), service="second")
    neighbour = await pid_in(tmp_path / "two")
    await harness.engine.remove(first)
    assert await ends(await pid_in(tmp_path / "one"))
    assert start_time(neighbour)
    assert (await harness.seen("second-1")).state is State.RUNNING
    await harness.engine.remove("second-1")
    assert await ends(neighbour)
    for process_ in (bystander, of_another_project):
        assert process_.poll() is None
        process_.kill()
        process_.wait()


async def test_adopted_processes_that_have_ended_are_collected(harness: Harness) -> None:
    await harness.run("for i in 1 2 3 4 5; do (setsid sleep 0.1 &); done; sleep 600")
    daemon = daemon_pid(harness)

    async def collected() -> bool:
        return "Z" not in children(daemon).values()

    await asyncio.sleep(0.5)
    await harness.until(collected, seconds=5)


async def test_a_project_is_found_without_its_state_directory(harness: Harness, tmp_path: Path) -> None:
    instance_id = await harness.run(f"echo $$ > {tmp_path}/pid; while :; do echo tick; sleep 0.1; done")
    pid, daemon = await pid_in(tmp_path / "pid"), daemon_pid(harness)
    shutil.rmtree(harness.project.directory / ".devenv")
    engine = ProcessEngine(harness.project)
    (seen,) = (await engine.observe(harness.project)).instances
    assert (seen.id, seen.state) == (instance_id, State.RUNNING)

    async def logged() -> bool:
        return bool(await harness.lines(instance_id))

    await harness.until(logged)  # the log continues in a new file
    await engine.remove(instance_id)
    assert await ends(pid)
    assert await ends(daemon)


async def test_what_nothing_records_any_more_is_found_by_its_mark(harness: Harness, tmp_path: Path) -> None:
    instance_id = await harness.run(f"setsid sh -c 'echo $$ > {tmp_path}/pid; exec sleep 600' & sleep 600")
    pid, daemon = await pid_in(tmp_path / "pid"), daemon_pid(harness)
    os.kill(min(children(daemon)), signal.SIGKILL)  # the guardian is its first child
    os.kill(daemon, signal.SIGKILL)
    assert await ends(daemon)
    shutil.rmtree(harness.project.directory / ".devenv")
    assert start_time(pid)
    (seen,) = (await harness.engine.observe(harness.project)).instances
    assert (seen.id, seen.service, seen.state) == (instance_id, "web", State.DEAD)
    await harness.engine.remove(instance_id)
    assert await ends(pid)
    assert not (await harness.engine.observe(None)).instances


async def test_the_guardian_ends_what_left_the_group(harness: Harness, tmp_path: Path) -> None:
    await harness.run(f"setsid sh -c 'echo $$ > {tmp_path}/pid; exec sleep 600' & sleep 600")
    pid, daemon = await pid_in(tmp_path / "pid"), daemon_pid(harness)
    os.kill(daemon, signal.SIGKILL)
    assert await ends(pid, 10)
