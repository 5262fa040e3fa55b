"""The directories of which the process engine runs something, for `down --all-projects`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from engine_harness import process

from devenv.engine.process.projects import running_projects

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are read from /proc")

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a command that waits, with the mark of a project in a directory; it has begun to run."""
    started: list[subprocess.Popen[bytes]] = []

    def run(directory: Path, *prefix: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "DEVENV_INSTANCE": f"x-000000 web 1 1:1 {directory}"}
        line = [*prefix, "sh", "-c", "echo; exec sleep 600"]
        found = subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, start_new_session=True)
        started.append(found)
        assert found.stdout is not None
        if found.stdout.readline() != b"\n":
            pytest.skip(f"{prefix[0]} is not permitted")
        return found

    yield run
    for found in started:
        found.kill()
        found.communicate()


async def test_marks_and_daemons_are_found(tmp_path: Path, start: Start) -> None:
    start(tmp_path / "marked")
    (tmp_path / "up").mkdir()
    async with process(tmp_path / "up") as harness:
        instance_id = await harness.run("exec sleep 600")
        shutil.rmtree(tmp_path / "up")  # with the whole project, not only the state
        await harness.engine.stop(instance_id)
        assert {tmp_path / "marked", tmp_path / "up"} <= set(running_projects()), "a daemon alone is enough"

    async def gone() -> bool:
        return tmp_path / "up" not in running_projects()

    await harness.until(gone)


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare")
def test_those_of_another_user_and_of_another_tree_are_not(tmp_path: Path, start: Start) -> None:
    start(tmp_path / "foreign", "setpriv", "--reuid=65534", "--clear-groups")
    start(tmp_path / "inside", "unshare", "--mount")
    assert not {tmp_path / "foreign", tmp_path / "inside"} & set(running_projects())
