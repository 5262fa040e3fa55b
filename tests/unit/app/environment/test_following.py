"""Following output over restarts and recreations, on the fake engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from devenv.app.environment.log_lines import following
from devenv.app.environment.log_lines.following import Following
from devenv.clock import SystemClock
from devenv.contract.specification import InstanceSpec
from devenv.testing import FakeEngine, FakeImage, Script, make_project, make_service
from devenv.testing.builders import make_labels

PROJECT = make_project()


async def started(engine: FakeEngine) -> str:
    spec = InstanceSpec(
        name="web-1",
        project=PROJECT,
        service=make_service("web", image="image"),
        index=1,
        labels=make_labels(PROJECT, "web", 1),
        image="image",
    )
    instance_id = await engine.create(spec)
    await engine.start(instance_id)
    return instance_id


@pytest.fixture
async def engine(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeEngine]:
    monkeypatch.setattr(following, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(following, "QUIET_SECONDS", 0.5)
    made = FakeEngine(SystemClock())
    made.images["image"] = FakeImage("sha256:1")
    made.scripts["web"] = Script(logs=[(0.01, "up")])
    yield made
    await made.close()


@pytest.mark.parametrize("recreated", [False, True])
async def test_following_goes_on_and_says_so_once(engine: FakeEngine, recreated: bool) -> None:
    first = await started(engine)
    seen: list[str] = []

    async def follow() -> None:
        observed = await engine.observe(PROJECT)
        source = Following(engine, PROJECT, ("web",), since=None, tail=None)
        async for _, entry in source.lines(observed.instances):
            seen.append(entry if isinstance(entry, str) else entry.text)

    reading = asyncio.create_task(follow())
    await asyncio.sleep(0.1)
    await engine.stop(first)
    if recreated:
        await engine.remove(first)
        await asyncio.sleep(0.1)
        await started(engine)
    else:
        await asyncio.sleep(0.1)
        await engine.start(first)
    await asyncio.sleep(0.3)
    what = "recreated" if recreated else "restarted"
    assert seen == ["up", f"(web-1 was {what})", "up"]
    for instance in list(engine.instances.values()):
        await engine.stop(instance.id)
    await asyncio.wait_for(reading, 5)
