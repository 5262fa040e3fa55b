"""A process that the daemon starts for its own work is neither collected nor ended, unlike what services leave."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest
import uvloop

from devenv import own_child as module
from devenv.daemon.supervisor import Supervisor
from devenv.own_child import is_starting, own_child, own_children


@pytest.fixture
def supervisor(tmp_path: Path) -> Supervisor:
    return Supervisor(tmp_path / ".devenv", 1)


def await_end(pid: int) -> None:
    """Wait until a child has ended, without collecting it; the loop does not run meanwhile, and so cannot either."""
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def test_the_supervisor_leaves_it_to_its_owner(supervisor: Supervisor) -> None:
    async def start_and_reap() -> None:
        async with own_child(sys.executable, "-c", "raise SystemExit(7)") as process:
            assert own_children() == {process.pid}
            assert process.pid not in {member.pid for member in supervisor._adopted()}
            await_end(process.pid)
            supervisor._reap()
            assert await process.wait() == 7
        assert own_children() == frozenset()

    uvloop.run(start_and_reap())  # as the daemon


async def test_nothing_is_collected_or_ended_while_one_is_started(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = asyncio.create_subprocess_exec
    seen = []

    async def slowly(*command: str, **options: int) -> asyncio.subprocess.Process:
        process = await start(*command, **options)
        seen.append((is_starting(), supervisor._adopted()))
        return process

    monkeypatch.setattr(module.asyncio, "create_subprocess_exec", slowly)
    async with own_child(sys.executable, "-c", "input()") as process:
        assert not is_starting()
    assert seen == [(True, ())]
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


async def test_one_that_cannot_be_started_is_forgotten() -> None:
    with pytest.raises(FileNotFoundError):
        async with own_child("/no/such/program"):
            pass
    assert not is_starting()
