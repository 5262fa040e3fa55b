"""The control socket answers every request: a fault of this machine does not close the connection."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from devenv.daemon import control
from devenv.daemon.control import ControlServer
from devenv.daemon.supervisor import Supervisor
from devenv.engine.process.daemon_messages import CREATE
from devenv.engine.process.launch import Launch

LAUNCH = Launch(id="web-1", name="shop-web-1", service="web", index=1, labels={}, command=("sleep", "600"))


class Writer:
    """Keeps what is written to it."""

    def __init__(self) -> None:
        self.content = b""
        self.closed = False

    def write(self, content: bytes) -> None:
        self.content += content

    async def drain(self) -> None:
        return

    def close(self) -> None:
        self.closed = True


async def answered(supervisor: Supervisor) -> dict[str, Any]:
    reader, writer = asyncio.StreamReader(), Writer()
    reader.feed_data(CREATE.request(LAUNCH))
    await ControlServer(supervisor).serve(reader, writer)  # type: ignore[arg-type]
    assert writer.closed
    found: dict[str, Any] = json.loads(writer.content)
    return found


@pytest.fixture
def supervisor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Supervisor:
    monkeypatch.setattr(control, "is_own_user", lambda writer: True)
    return Supervisor(tmp_path / ".devenv", os.open(os.devnull, os.O_WRONLY))


async def test_a_log_that_cannot_be_opened_is_named(supervisor: Supervisor, tmp_path: Path) -> None:
    (tmp_path / ".devenv" / "logs" / "web-1.log").mkdir(parents=True)
    error = (await answered(supervisor))["error"]
    assert error["message"] == f"cannot write {tmp_path}/.devenv/logs/web-1.log: Is a directory"


async def test_a_fault_of_the_machine_is_an_answer(supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    def create(launch: Launch) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(supervisor, "create", create)
    error = (await answered(supervisor))["error"]
    assert error["kind"] == "EngineRefused"
    assert "Too many open files" in error["message"]
    assert "daemon.log" in error["hint"]
