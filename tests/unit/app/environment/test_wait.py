"""`devenv wait`: when it ends, and with which exit code."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from devenv.app.environment import wait as use_case
from devenv.app.invocation import Invocation
from devenv.errors import UnknownName
from devenv.model.documents import ServiceDocument, StatusDocument
from devenv.model.state import Health, State
from devenv.testing import FakeClock

UP = (State.RUNNING, Health.HEALTHY)
STARTING = (State.RUNNING, Health.STARTING)
DONE = (State.EXITED, Health.COMPLETED)
GONE = (State.EXITED, Health.UNHEALTHY)
LOOP = (State.RESTARTING, Health.UNHEALTHY)


class Seen:
    """The states of services at each look; the last ones stay."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *looks: dict[str, tuple[State, Health]]) -> None:
        self.clock = FakeClock()
        self.looks = list(looks)
        monkeypatch.setattr(use_case, "status", self.status)
        monkeypatch.setattr(use_case, "running", self.running)

    async def status(self, *_: object, **__: object) -> StatusDocument:
        now = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        rows = [
            ServiceDocument(name=name, state=state, health=health, ports=[], instances=[])
            for name, (state, health) in now.items()
        ]
        return StatusDocument(project="p", stack="s", engine="docker", services=rows)

    @asynccontextmanager
    async def running(self, _: object) -> AsyncIterator[Any]:
        names = [type("Instance", (), {"service": name}) for name in self.looks[0]]
        observed = type("Observed", (), {"instances": names})
        yield type("Running", (), {"observed": observed, "project": type("Project", (), {"name": "shop"})})

    async def wait(self, *services: str, timeout: float = 10.0) -> use_case.Waited:
        return await use_case.wait(Invocation(directory=Path("/x")), services, timeout=timeout, clock=self.clock)


async def test_it_ends_when_all_are_ready_or_have_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Seen(monkeypatch, {"web": STARTING, "job": STARTING}, {"web": LOOP, "job": DONE}, {"web": UP, "job": DONE})
    waited = await seen.wait()
    assert (waited.code, waited.verdict) == (0, "")
    assert [row.name for row in waited.document.services] == ["web", "job"]
    assert seen.clock.monotonic() == pytest.approx(2 * use_case.PACE)


async def test_only_the_named_services_count(monkeypatch: pytest.MonkeyPatch) -> None:
    waited = await Seen(monkeypatch, {"web": UP, "job": GONE}).wait("web")
    assert waited.code == 0
    assert [row.name for row in waited.document.services] == ["web"]


async def test_a_service_that_has_ended_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Seen(monkeypatch, {"web": STARTING, "db": GONE})
    waited = await seen.wait()
    assert (waited.code, waited.verdict) == (1, "db (exited) will not be ready")
    assert seen.clock.monotonic() == 0


async def test_the_time_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    waited = await Seen(monkeypatch, {"web": STARTING, "db": LOOP}).wait(timeout=3.0)
    assert (waited.code, waited.verdict) == (4, "not ready within 3 s: web (starting), db (restarting)")


async def test_an_unknown_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownName, match="no service 'wep' in the running project shop"):
        await Seen(monkeypatch, {"web": UP}).wait("wep")
