"""A process that no signal ends, such as one of another user or in an uninterruptible wait: named, never waited for."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import pytest

from devenv.daemon import supervised
from devenv.daemon.supervised import Supervised
from devenv.daemon.supervisor import Supervisor
from devenv.engine.process import leftovers, membership
from devenv.engine.process.daemon_file import RecordedInstance
from devenv.engine.process.launch import Launch
from devenv.engine.process.process_identity import start_time
from devenv.errors import EngineRefused
from devenv.model.state import State

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are read from /proc")

LAUNCH = Launch(id="web-1", name="shop-web-1", service="web", index=1, labels={}, command=("sleep", "600"), grace=0.0)


@pytest.fixture
def unending(monkeypatch: pytest.MonkeyPatch) -> None:
    """No signal has an effect, and the waits for one are short."""
    monkeypatch.setattr(supervised, "send", lambda group, number: True)
    monkeypatch.setattr(membership.Member, "end", lambda self: None)
    monkeypatch.setattr(supervised, "KILL_S", 0.05)
    monkeypatch.setattr(membership, "END_S", 0.05)


@pytest.fixture
async def supervisor(tmp_path: Path) -> AsyncIterator[Supervisor]:
    """With one instance, which runs; it really ends after the test."""
    reading, writing = os.pipe()
    made = Supervisor(tmp_path / ".devenv", writing)
    made.create(LAUNCH)
    item = await made.start(LAUNCH.id)
    assert isinstance(item, Supervised)
    yield made
    os.killpg(item.pid, signal.SIGKILL)
    await item.ended.wait()
    os.close(reading)
    os.close(writing)


async def refusal(act: Awaitable[None]) -> EngineRefused:
    with pytest.raises(EngineRefused) as caught:
        async with asyncio.timeout(5):
            await act
    return caught.value


@pytest.mark.usefixtures("unending")
@pytest.mark.parametrize("verb", ["stop", "remove"])
async def test_it_is_named_with_its_pid(supervisor: Supervisor, verb: str) -> None:
    item = supervisor.get("web-1")
    error = await refusal(supervisor.stop("web-1", 0.0) if verb == "stop" else supervisor.remove("web-1"))
    assert error.message == f"shop-web-1: cannot end sleep (pid {item.pid})"
    assert "rights of its user" in error.hint
    assert error.details["processes"] == [{"pid": item.pid, "name": "sleep"}]
    assert item.state is State.RUNNING, "it runs, and is shown so"


@pytest.mark.usefixtures("unending")
async def test_the_daemon_ends_all_the_same_and_keeps_its_list(supervisor: Supervisor) -> None:
    async with asyncio.timeout(5):
        assert not await supervisor.stop_all()


@pytest.mark.usefixtures("unending")
async def test_what_a_killed_daemon_left_is_named_too(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment of another user's process cannot be read, so its mark is not seen."""
    monkeypatch.setattr(membership, "_mark", lambda pid: None)
    monkeypatch.setattr(leftovers, "_send", lambda group, number: True)
    monkeypatch.setattr(leftovers, "GRACE_S", 0.0)
    pid = supervisor.get("web-1").pid
    found = RecordedInstance(
        id="web-1", name="shop-web-1", service="web", index=1, labels={}, pid=pid, born=start_time(pid)
    )
    error = await refusal(leftovers.end(tmp_path / ".devenv", found))
    assert error.message == f"shop-web-1: cannot end sleep (pid {pid})"
