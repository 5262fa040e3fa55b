"""The process engine's own files: what is wrong with one is said, with its name and what to do."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from devenv.daemon.logfile import LogFile
from devenv.daemon.logfile import remove as remove_log
from devenv.engine.process import daemon_client, daemon_file, daemon_start
from devenv.engine.process.commands import attached
from devenv.engine.process.daemon_client import DaemonClient
from devenv.engine.process.daemon_messages import InstanceReport
from devenv.engine.process.log_reader import follow, read_lines
from devenv.errors import DevenvError, EngineRefused, EngineUnavailable, EnvironmentFailure
from devenv.model.state import State


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / ".devenv"
    (folder / "logs").mkdir(mode=0o700, parents=True)
    folder.chmod(0o700)
    return folder


def log_is_a_directory(log: Path) -> None:
    log.mkdir()


def log_is_a_fifo(log: Path) -> None:
    os.mkfifo(log)


def logs_is_a_file(log: Path) -> None:
    log.parent.rmdir()
    log.parent.write_text("")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (log_is_a_directory, "Is a directory"),
        (log_is_a_fifo, "not a regular file"),
        (logs_is_a_file, "Not a directory"),
    ],
)
async def test_output_that_cannot_be_read(state: Path, damage: Callable[[Path], None], reason: str) -> None:
    log = state / "logs" / "web-1.log"
    damage(log)

    async def ended() -> bool:
        return True

    with pytest.raises(EnvironmentFailure) as caught:
        read_lines(log, None, None)
    assert caught.value.message == f"cannot read {log}: {reason}"
    assert caught.value.hint
    with pytest.raises(EnvironmentFailure, match="cannot read"):
        async for _ in follow(log, None, None, ended):
            pass


@pytest.mark.parametrize("damage", [log_is_a_directory, logs_is_a_file])
def test_output_that_cannot_be_written(state: Path, damage: Callable[[Path], None]) -> None:
    log = state / "logs" / "web-1.log"
    damage(log)
    with pytest.raises(EnvironmentFailure, match=f"cannot write {state / 'logs'}"):
        LogFile(log)


def test_files_that_cannot_be_removed(state: Path) -> None:
    (state / "logs" / "web-1.log.1").mkdir()
    (state / daemon_file.NAME).mkdir()
    with pytest.raises(EnvironmentFailure, match=r"cannot remove .*web-1\.log\.1: Is a directory"):
        remove_log(state / "logs" / "web-1.log")
    with pytest.raises(EnvironmentFailure, match=r"cannot remove .*daemon\.json: Is a directory"):
        daemon_file.remove(state)


async def test_the_daemons_log_cannot_be_written(state: Path) -> None:
    (state / "daemon.log").mkdir()
    with pytest.raises(EnvironmentFailure, match=r"cannot write .*daemon\.log: Is a directory"):
        await DaemonClient(state).ensure()


async def test_the_interpreter_is_gone(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon_start.sys, "executable", "/nosuch/python")
    with pytest.raises(EngineUnavailable, match="daemon with /nosuch/python: No such file or directory"):
        await DaemonClient(state).ensure()


async def test_a_daemon_that_does_not_start_says_why(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (state / "daemon.sock").mkdir()  # nothing can listen there
    with pytest.raises(DevenvError) as caught:
        await DaemonClient(state).ensure()
    assert "did not start: " in caught.value.message
    assert "daemon.sock" in caught.value.message
    assert caught.value.hint == f"see {state / 'daemon.log'}"


async def test_the_socket_cannot_be_reached(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(path: str, limit: int) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(daemon_client.asyncio, "open_unix_connection", refuse)
    with pytest.raises(EngineUnavailable, match=r"cannot connect to .*daemon\.sock: Permission denied"):
        await DaemonClient(state).answers()


async def test_a_command_whose_directory_is_gone(tmp_path: Path) -> None:
    report = InstanceReport(
        id="web-1",
        name="web-1",
        service="web",
        index=1,
        labels={},
        kind="process",
        state=State.RUNNING,
        exit_code=None,
        error="",
        restarts=0,
        started_at=None,
        finished_at=None,
        ports=(),
        cwd=str(tmp_path / "gone"),
        environment={"PATH": str(Path(sys.executable).parent)},
    )
    with pytest.raises(EngineRefused, match=rf"cannot run {Path(sys.executable).name} in .*gone: No such file"):
        await attached(report, [Path(sys.executable).name])
