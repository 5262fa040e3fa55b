"""What every engine tells of the inside of instances: output, commands, events, figures; networks and volumes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from engine_harness import ENGINES, Factory, Harness, engines_with

from devenv.contract.answers import EngineEvent
from devenv.contract.specification import FileContent, NetworkSpec, VolumeSpec
from devenv.errors import EngineRefused
from devenv.model.stack import Network, Volume
from devenv.testing import make_project
from devenv.testing.builders import make_labels


@pytest.fixture(params=ENGINES)
async def harness(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Harness]:
    factory: Factory = request.param
    async with factory(tmp_path) as made:
        yield made


async def test_output_comes_with_time_and_stream(harness: Harness) -> None:
    before = harness.clock.now()
    instance_id = await harness.run("echo one; echo problem >&2; echo zwei ü; exit 0")
    await harness.engine.wait(instance_id)
    lines = await harness.until(lambda: _lines_of(harness, instance_id, 3))
    assert [line.text for line in lines if line.stream == "stdout"] == ["one", "zwei ü"]
    assert [line.text for line in lines if line.stream == "stderr"] == ["problem"]
    assert all(before - 1 <= line.time <= harness.clock.now() + 1 for line in lines)
    assert len(await harness.lines(instance_id, tail=2)) == 2
    assert await harness.lines(instance_id, tail=0) == []


async def _lines_of(harness: Harness, instance_id: str, count: int) -> list[object]:
    lines = await harness.lines(instance_id)
    return lines if len(lines) >= count else []


async def test_following_gives_lines_as_they_come_and_ends_with_the_instance(harness: Harness) -> None:
    instance_id = await harness.run("echo first; sleep 0.5; echo second; sleep 0.5; exit 0")
    seen: list[tuple[str, bool]] = []
    ended = asyncio.create_task(harness.engine.wait(instance_id))
    async for line in harness.engine.logs(instance_id, follow=True):
        seen.append((line.text, ended.done()))
    assert seen == [("first", False), ("second", False)]


async def test_output_since_a_time_leaves_out_what_was_before(harness: Harness) -> None:
    instance_id = await harness.run("echo old; sleep 1; echo new; exit 0")
    await harness.engine.wait(instance_id)
    lines = await harness.until(lambda: _lines_of(harness, instance_id, 2))
    between = (lines[0].time + lines[1].time) / 2
    assert [line.text for line in await harness.lines(instance_id, since=between)] == ["new"]
    followed = [line.text async for line in harness.engine.logs(instance_id, follow=True, since=between)]
    assert followed == ["new"]


async def test_following_can_be_given_up(harness: Harness) -> None:
    instance_id = await harness.run("echo here; sleep infinity")
    lines = harness.engine.logs(instance_id, follow=True)
    assert (await anext(lines)).text == "here"
    await lines.aclose()  # type: ignore[attr-defined]
    assert (await harness.engine.exec(instance_id, ["true"])).exit_code == 0


async def test_a_command_runs_inside(harness: Harness) -> None:
    instance_id = await harness.run("sleep infinity", environment={"COLOUR": "blue"})
    done = await harness.engine.exec(instance_id, ["sh", "-c", "printenv COLOUR; echo bad >&2; exit 4"])
    assert done.exit_code == 4
    assert sorted(done.output.decode().split()) == ["bad", "blue"]
    more = await harness.engine.exec(instance_id, ["printenv", "EXTRA"], environment={"EXTRA": "more"})
    assert (more.exit_code, more.output) == (0, b"more\n")
    assert (await harness.engine.exec(instance_id, ["printenv", "NOWHERE"])).exit_code == 1
    await harness.engine.kill(instance_id)
    await harness.engine.wait(instance_id)
    with pytest.raises(EngineRefused):
        await harness.engine.exec(instance_id, ["true"])


@engines_with("files")
async def test_files_are_inside_before_the_start(harness: Harness) -> None:
    files = (FileContent(target="/run/secrets/deep/key", content=b"opens\n", mode=0o440),)
    instance_id = await harness.run("cat /run/secrets/deep/key; exit 0", files=files)
    assert (await harness.engine.wait(instance_id)).exit_code == 0
    lines = await harness.until(lambda: _lines_of(harness, instance_id, 1))
    assert [line.text for line in lines] == ["opens"]


async def test_events_tell_starts_and_ends(harness: Harness) -> None:
    events: list[EngineEvent] = []

    async def listen() -> None:
        async for event in harness.engine.events(harness.project):
            events.append(event)

    listening = asyncio.create_task(listen())
    await harness.clock.sleep(0.3)
    instance_id = await harness.run("sleep 0.2; exit 7", service="job", index=2)

    async def told() -> bool:
        return [event.action for event in events] == ["start", "die"]

    await harness.until(told)
    listening.cancel()
    assert {(event.instance_id, event.service, event.index) for event in events} == {(instance_id, "job", 2)}
    assert events[1].exit_code == 7


async def test_events_of_other_projects_are_not_told(harness: Harness, tmp_path: Path) -> None:
    events: list[EngineEvent] = []

    async def listen() -> None:
        async for event in harness.engine.events(make_project(tmp_path / "other")):
            events.append(event)

    listening = asyncio.create_task(listen())
    await harness.clock.sleep(0.2)
    await harness.engine.wait(await harness.run("exit 0"))
    await harness.clock.sleep(0.2)
    assert not listening.done()
    listening.cancel()
    assert events == []


async def test_the_history_has_starts_and_ends_of_the_project(harness: Harness, tmp_path: Path) -> None:
    before = harness.clock.now()
    instance_id = await harness.run("sleep 0.1; exit 7", service="job", index=2)
    await harness.engine.wait(instance_id)
    between = harness.clock.now()

    async def known() -> list[EngineEvent]:
        found = await harness.engine.history(harness.project, since=before - 1)
        return [event for event in found if event.action in ("start", "die")]

    async def both() -> bool:
        return len(await known()) == 2

    await harness.until(both)
    start, die = await known()
    assert (start.action, die.action, die.exit_code) == ("start", "die", 7)
    assert before - 1 <= start.time <= die.time <= between + 1
    assert {(event.instance_id, event.service, event.index) for event in (start, die)} == {(instance_id, "job", 2)}
    assert await harness.engine.history(harness.project, since=between + 3600) == []
    assert await harness.engine.history(make_project(tmp_path / "other"), since=before - 1) == []


async def test_figures_of_what_runs(harness: Harness) -> None:
    instance_id = await harness.run("sleep infinity")
    usage = await harness.until(lambda: harness.engine.usage(instance_id))
    assert usage.memory_bytes > 0
    assert usage.cpu_percent >= 0
    await harness.engine.kill(instance_id)
    await harness.engine.wait(instance_id)
    assert await harness.engine.usage(instance_id) is None


@engines_with("networks")
async def test_a_network_is_made_once(harness: Harness) -> None:
    name = f"{harness.project.id}_back"
    spec = NetworkSpec(name=name, network=Network(key="back"), labels=make_labels(harness.project))
    made = await harness.engine.create_network(spec)
    assert await harness.engine.create_network(spec) == made
    seen = {network.name: network for network in (await harness.engine.observe(harness.project)).networks}
    assert (seen[name].id, seen[name].key) == (made, "back")
    stranger = NetworkSpec(name=name, network=Network(key="back"), labels=make_labels(make_project(Path("/other"))))
    with pytest.raises(EngineRefused, match=name):
        await harness.engine.create_network(stranger)
    await harness.engine.remove_network(made)
    await harness.engine.remove_network(made)  # a second time is not an error
    assert name not in {network.name for network in (await harness.engine.observe(harness.project)).networks}


@engines_with("volumes")
async def test_a_volume_is_made_once(harness: Harness) -> None:
    name = f"{harness.project.id}_data"
    spec = VolumeSpec(name=name, volume=Volume(key="data"), labels=make_labels(harness.project))
    assert await harness.engine.create_volume(spec) == name
    assert await harness.engine.create_volume(spec) == name
    seen = (await harness.engine.observe(harness.project)).volumes
    assert [(volume.name, volume.key) for volume in seen] == [(name, "data")]
    await harness.engine.remove_volume(name)
    await harness.engine.remove_volume(name)  # a second time is not an error
    assert (await harness.engine.observe(harness.project)).volumes == ()
