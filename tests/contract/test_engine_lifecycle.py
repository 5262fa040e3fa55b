"""What every engine does with instances: create, start, wait, stop, kill, remove, restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from engine_harness import ENGINES, Factory, Harness, engines_with, free_port

from devenv.errors import EngineRefused, ImageMissing, PortTaken
from devenv.model.identity import LABEL_PROJECT
from devenv.model.stack import Port, Restart
from devenv.model.state import State
from devenv.testing import make_project

IGNORES_TERM = "trap '' TERM; echo deaf; sleep infinity"


@pytest.fixture(params=ENGINES)
async def harness(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Harness]:
    factory: Factory = request.param
    async with factory(tmp_path) as made:
        yield made


async def test_it_says_who_it_is(harness: Harness) -> None:
    info = await harness.engine.info()
    assert info.name == harness.engine.name
    assert info.version
    assert not info.remote


async def test_created_is_not_started(harness: Harness) -> None:
    instance_id = await harness.engine.create(harness.spec("sleep infinity"))
    seen = await harness.seen(instance_id)
    assert (seen.state, seen.service, seen.index, seen.config_hash) == (State.CREATED, "web", 1, "0123")
    assert seen.labels[LABEL_PROJECT] == harness.project.id
    assert seen.started_at is None
    assert seen.exit_code is None
    assert await harness.engine.endpoint(instance_id, 80) is None


async def test_started_runs_until_stopped(harness: Harness) -> None:
    before = harness.clock.now()
    instance_id = await harness.run("sleep infinity")
    await harness.engine.start(instance_id)  # a second time is not an error
    seen = await harness.seen(instance_id)
    assert seen.state is State.RUNNING
    assert seen.exit_code is None
    assert seen.started_at is not None
    assert before - 1 <= seen.started_at <= harness.clock.now() + 1
    ended = asyncio.create_task(harness.engine.wait(instance_id))
    await harness.engine.stop(instance_id, grace=10)
    assert (await ended).exit_code == 143
    seen = await harness.seen(instance_id)
    assert (seen.state, seen.exit_code) == (State.EXITED, 143)
    await harness.engine.stop(instance_id)  # a second time is not an error
    await harness.engine.kill(instance_id)
    await harness.engine.start(instance_id)
    assert (await harness.seen(instance_id)).state is State.RUNNING


async def test_who_does_not_listen_is_killed_after_the_grace_period(harness: Harness) -> None:
    instance_id = await harness.run(IGNORES_TERM, init=False)
    await harness.until(lambda: harness.lines(instance_id))  # the trap is set
    begun = harness.clock.monotonic()
    await harness.engine.stop(instance_id, grace=1)
    assert 0.9 <= harness.clock.monotonic() - begun < 8
    assert (await harness.seen(instance_id)).exit_code == 137


async def test_the_exit_code_is_told_to_all_who_wait(harness: Harness) -> None:
    instance_id = await harness.engine.create(harness.spec("sleep 0.3; exit 3"))
    await harness.engine.start(instance_id)
    waiting = [asyncio.create_task(harness.engine.wait(instance_id)) for _ in range(2)]
    assert [status.exit_code for status in await asyncio.gather(*waiting)] == [3, 3]
    late = await harness.engine.wait(instance_id)  # it has ended already
    assert (late.exit_code, late.oom_killed, late.error) == (3, False, "")
    seen = await harness.seen(instance_id)
    assert (seen.state, seen.exit_code, seen.oom_killed) == (State.EXITED, 3, False)
    assert seen.finished_at is not None


async def test_a_wait_that_is_given_up_leaves_the_engine_usable(harness: Harness) -> None:
    instance_id = await harness.run("sleep infinity")
    waiting = asyncio.create_task(harness.engine.wait(instance_id))
    await harness.clock.sleep(0.05)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    again = asyncio.create_task(harness.engine.wait(instance_id))
    await harness.clock.sleep(0.05)
    await harness.engine.kill(instance_id)
    assert (await again).exit_code == 137


async def test_removed_is_gone_running_or_not(harness: Harness) -> None:
    running = await harness.run("sleep infinity")
    created = await harness.engine.create(harness.spec("sleep infinity", index=2))
    for instance_id in (running, created):
        await harness.engine.remove(instance_id)
    assert (await harness.engine.observe(harness.project)).instances == ()
    await harness.engine.remove(running)  # a second time is not an error


async def test_only_the_project_is_seen(harness: Harness, tmp_path: Path) -> None:
    await harness.engine.create(harness.spec("true", index=1))
    await harness.engine.create(harness.spec("true", index=2))
    other = make_project(tmp_path / "other")
    assert [i.index for i in (await harness.engine.observe(harness.project)).of("web")] == [1, 2]
    assert (await harness.engine.observe(other)).instances == ()
    everyone = await harness.engine.observe(None)
    assert {i.name for i in everyone.instances} >= {f"{harness.project.id}-web-{index}" for index in (1, 2)}


async def test_a_name_is_taken_once(harness: Harness) -> None:
    await harness.engine.create(harness.spec("true"))
    with pytest.raises(EngineRefused, match="web-1"):
        await harness.engine.create(harness.spec("true"))


async def test_what_is_not_there_is_refused(harness: Harness) -> None:
    with pytest.raises(EngineRefused):
        await harness.engine.start("0123456789ab")


@engines_with("images")
async def test_an_image_that_is_not_there_is_named(harness: Harness) -> None:
    assert await harness.engine.image_id(harness.image)
    assert await harness.engine.image_id("nobody/has-this:1") is None
    assert await harness.engine.image_config("nobody/has-this:1") is None
    with pytest.raises(ImageMissing, match="nobody/has-this:1"):
        await harness.engine.create(replace(harness.spec("true"), image="nobody/has-this:1"))
    assert (await harness.engine.observe(harness.project)).instances == ()


async def test_on_failure_restarts_up_to_the_maximum(harness: Harness) -> None:
    instance_id = await harness.run("exit 5", restart=Restart(policy="on-failure", maximum=2))

    async def given_up() -> bool:
        seen = await harness.seen(instance_id)
        return seen.state is State.EXITED and seen.restarts == 2

    await harness.until(given_up)
    assert (await harness.seen(instance_id)).exit_code == 5


async def test_always_restarts_what_ended_but_not_what_was_stopped(harness: Harness) -> None:
    instance_id = await harness.run("sleep 0.3; exit 0", restart=Restart(policy="always"))

    async def restarted() -> bool:
        return (await harness.seen(instance_id)).restarts >= 1

    await harness.until(restarted)
    await harness.engine.stop(instance_id, grace=5)
    await harness.clock.sleep(0.5)
    assert (await harness.seen(instance_id)).state is State.EXITED


async def test_a_port_in_use_is_an_error_that_names_its_owner(harness: Harness) -> None:
    port = free_port()
    ports = (Port(container=8000, host=port),)
    first = await harness.run("sleep infinity", service="first", ports=ports)
    seen = await harness.seen(first)
    assert [(p.host, p.container, p.address, p.protocol) for p in seen.ports] == [(port, 8000, "127.0.0.1", "tcp")]
    second = await harness.engine.create(harness.spec("sleep infinity", service="second", ports=ports))
    with pytest.raises(PortTaken, match=f"{port}.* second .*{harness.project.id}-first-1") as caught:
        await harness.engine.start(second)
    assert caught.value.details["port"] == port
    assert f"{harness.project.id}-first-1" in caught.value.details["owner"]
