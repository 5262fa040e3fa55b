"""What `status` makes of an instance that has ended."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from devenv.app.environment import status as status_module
from devenv.app.environment.recorded_probes import services_with_probes
from devenv.app.environment.status import _health
from devenv.app.invocation import Invocation
from devenv.app.session import Running
from devenv.contract.capabilities import Capabilities
from devenv.engine.process.engine import CAPABILITIES as PROCESS
from devenv.health.restarts import as_shown
from devenv.model.state import Health, ObservedInstance, State
from devenv.testing.fake_engine import CONTAINERS

PROBES = services_with_probes({"web": {"ready": {"http": "/health"}, "ports": [8080]}})


@pytest.mark.parametrize(
    ("service", "more", "health"),
    [
        ("job", {"exit_code": 0}, Health.COMPLETED),
        ("job", {"exit_code": 3}, Health.UNHEALTHY),
        ("web", {"exit_code": 0}, Health.UNHEALTHY),  # a server that was stopped, or ended by itself
        ("job", {"exit_code": 0, "engine_health": "unhealthy"}, Health.UNHEALTHY),  # Docker keeps the last result
    ],
)
async def test_only_a_service_without_a_probe_completes(service: str, more: dict[str, Any], health: Health) -> None:
    ended = ObservedInstance(id="1", name="1", service=service, index=1, state=State.EXITED, config_hash="", **more)
    unused = cast(Running, None)
    assert await _health(unused, ended, PROBES.get(service)) is health


@pytest.mark.parametrize(
    ("state", "restarts", "age", "shown"),
    [
        (State.RUNNING, 3, 0.2, State.RESTARTING),  # the moment in which it runs, before it ends once more
        (State.RUNNING, 3, 2.0, State.RUNNING),
        (State.RUNNING, 2, 0.2, State.RUNNING),
        (State.RESTARTING, 5, 9.0, State.RESTARTING),
        (State.EXITED, 5, 0.2, State.EXITED),
    ],
)
def test_a_service_in_a_restart_loop_is_not_up(state: State, restarts: int, age: float, shown: State) -> None:
    seen = ObservedInstance(
        id="1", name="1", service="web", index=1, state=state, config_hash="", restarts=restarts, started_at=100 - age
    )
    assert as_shown(seen, 100.0).state is shown


def on(capabilities: Capabilities) -> Running:
    return cast(Running, SimpleNamespace(engine=SimpleNamespace(capabilities=capabilities), project=None))


@pytest.mark.parametrize(
    ("asked", "capabilities", "daemon", "elsewhere"),
    [
        ("auto", CONTAINERS, True, ["second"]),
        ("auto", PROCESS, False, ["second"]),
        ("auto", CONTAINERS, False, []),  # a directory in which no process engine ran
        ("docker", CONTAINERS, True, []),
    ],
)
async def test_the_engine_that_the_record_does_not_name_is_asked_too(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    asked: str,
    capabilities: Capabilities,
    daemon: bool,
    elsewhere: list[str],
) -> None:
    async def found(*_: object) -> str:
        return "second"

    monkeypatch.setattr(status_module, "other_name", found)
    if daemon:
        (tmp_path / ".devenv").mkdir()
        (tmp_path / ".devenv" / "daemon.json").write_text("{}")
    assert await status_module._elsewhere(Invocation(directory=tmp_path, engine=asked), on(capabilities)) == elsewhere


async def test_an_engine_that_hangs_does_not_hold_up_the_status(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def hangs(*_: object) -> str:
        await asyncio.Event().wait()
        return ""

    monkeypatch.setattr(status_module, "other_name", hangs)
    monkeypatch.setattr(status_module, "ELSEWHERE_TIMEOUT", 0.01)
    assert await status_module._elsewhere(Invocation(directory=tmp_path), on(PROCESS)) == []
