"""The output of services while `up` waits, on the fake engine."""

from __future__ import annotations

import asyncio

import pytest

from devenv.app.environment import waiting_logs
from devenv.app.environment.waiting_logs import shown_logs
from devenv.clock import SystemClock
from devenv.contract.specification import InstanceSpec
from devenv.events import Event, ServiceLog, ServiceStarted
from devenv.testing import FakeEngine, FakeImage, Script, make_project, make_service
from devenv.testing.builders import make_labels


async def test_the_output_of_a_service_that_is_restarted_is_shown_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting_logs, "AGAIN_SECONDS", 0.01)
    project = make_project()
    engine = FakeEngine(SystemClock())
    engine.images["image"] = FakeImage("sha256:1")
    engine.scripts["web"] = Script(logs=[(0.01, "up"), (0.01, "and ready")])
    spec = InstanceSpec(
        name="web-1",
        project=project,
        service=make_service("web", image="image"),
        index=1,
        labels=make_labels(project, "web", 1),
        image="image",
    )
    instance = await engine.create(spec)
    await engine.start(instance)
    events: list[Event] = []
    async with shown_logs(engine, project, events.append, wanted=True) as sink:
        sink(ServiceStarted(service="web", instance=1))
        await asyncio.sleep(0.1)
        await engine.stop(instance)
        await asyncio.sleep(0.05)
        await engine.start(instance)
        await asyncio.sleep(0.1)
    lines = [event.line for event in events if isinstance(event, ServiceLog)]
    assert lines == ["up", "and ready"] * 2
    await engine.close()
