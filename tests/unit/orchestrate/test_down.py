"""Taking down on the fake engine: labels alone, in order, with a check; and stop, start, restart."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from orchestration import World, service, stack, volumes

from devenv.errors import EngineRefused, NotUp, UnknownName
from devenv.events import Notice, Removed
from devenv.model.identity import identify
from devenv.model.stack import Dependency, Mount
from devenv.model.state import Health, ObservedInstance, State
from devenv.orchestrate.lifecycle import restart, start, stop
from devenv.orchestrate.planning.removal import removal_order
from devenv.testing import Script

DATA = Mount(kind="volume", source="data", target="/data")


def calls(world: World, method: str) -> list[str]:
    """Services that `method` was called for, in order; take `names` before they are gone."""
    return [call.target for call in world.engine.faults.calls if call.method == method]


async def test_nothing_is_left_and_named_volumes_are_kept() -> None:
    world = World()
    await world.up(stack(service("db", mounts=(DATA,)), service("web", replicas=2), volumes=volumes("data")))
    result = await world.down()
    project = world.project.id
    names = [f"{project}-{name}" for name in ("db-1", "jaeger-1", "web-1", "web-2")]
    assert result.removed == {
        "containers": tuple(names),
        "networks": (f"{project}_default",),
        "volumes": (),
        "processes": (),
    }
    assert (result.kept_volumes, result.left) == ((f"{project}_data",), ())
    assert not world.engine.instances
    assert not world.engine.networks
    assert list(world.engine.volumes) == [f"{project}_data"]
    again = await world.down(volumes=True)
    assert again.removed["volumes"] == (f"{project}_data",)
    assert (again.kept_volumes, world.engine.volumes) == ((), {})


async def test_dependents_stop_before_what_they_depend_on() -> None:
    world = World()
    await world.up(stack(service("db"), service("api", depends_on=["db"]), service("web", depends_on=["api"])))
    service_of = {i.id: i.service for i in world.engine.instances.values()}
    await world.down()
    stopped = [service_of[item] for item in calls(world, "stop") if service_of[item] != "jaeger"]
    assert stopped == ["web", "api", "db"]


async def test_stopping_is_parallel_where_nothing_depends() -> None:
    world = World()
    world.engine.scripts |= {name: Script(ignores_term=True) for name in ("a", "b", "c")}
    await world.up(stack(*(service(name, stop_grace_period=4.0) for name in ("a", "b", "c"))))
    instant = world.clock.monotonic()
    await world.down()
    assert world.clock.monotonic() - instant == pytest.approx(4.0, abs=0.5)


async def test_the_time_to_end_can_be_given() -> None:
    world = World()
    world.engine.scripts["a"] = Script(ignores_term=True)
    await world.up(stack(service("a")))
    instant = world.clock.monotonic()
    await world.down(timeout=1.0)
    assert world.clock.monotonic() - instant == pytest.approx(1.0, abs=0.3)


async def test_nothing_of_others_is_touched() -> None:
    world = World()
    other = World(clock=world.clock)
    other.engine = world.engine
    other.project = identify(world.directory / "other", "shop")
    await world.up(stack(service("web")))
    await other.up(stack(service("web")))
    await world.down()
    assert {i.spec.project.id for i in world.engine.instances.values()} == {other.project.id}
    assert {n.name for n in world.engine.networks.values()} == {f"{other.project.id}_default"}


async def test_named_services_alone() -> None:
    world = World()
    await world.up(stack(service("db"), service("web", depends_on=["db"])))
    result = await world.down(services=("web", "nosuch"))
    assert result.removed["containers"] == (f"{world.project.id}-web-1",)
    assert result.left == ()
    assert {i.service for i in world.engine.instances.values()} == {"db", "jaeger"}
    assert len(world.engine.networks) == 1
    assert [e.message for e in world.events if isinstance(e, Notice)] == ["nosuch is not running"]


async def test_down_twice_is_no_error() -> None:
    world = World()
    await world.up(stack(service("web")))
    await world.down()
    result = await world.down()
    assert not any(result.removed.values())
    assert result.left == ()


async def test_what_appears_while_removing_is_removed_too() -> None:
    """A request of a killed `up` can take effect after `down` has looked."""
    world = World()
    await world.up(stack(service("web")))
    web = next(i for i in world.engine.instances.values() if i.service == "web")
    world.engine.faults.delays["remove_network"] = 1.0

    async def late() -> None:
        await world.clock.sleep(1.02)
        await world.engine.create(web.spec)

    task = asyncio.create_task(late())
    result = await world.down()
    await task
    assert result.left == ()
    assert not world.engine.instances


async def test_what_cannot_be_removed_is_told() -> None:
    world = World()
    await world.up(stack(service("web")))
    world.engine.faults.fail("remove_network", EngineRefused("has active endpoints"), times=None)
    with pytest.raises(EngineRefused):
        await world.down()


async def test_what_cannot_be_removed_keeps_nothing_else() -> None:
    world = World()
    await world.up(stack(service("db"), service("api", depends_on=["db"]), service("web", depends_on=["api"])))
    ids = {i.service: i.id for i in world.engine.instances.values()}
    for name in ("api", "web"):
        refused = EngineRefused(f"{name}: cannot end it", hint="end it")
        world.engine.faults.fail("remove", refused, target=ids[name], times=None)
    with pytest.raises(EngineRefused) as caught:
        await world.down()
    assert sorted(caught.value.message.split("; ")) == ["api: cannot end it", "web: cannot end it"]
    assert caught.value.hint == "end it"
    removed = [event.name.removeprefix(f"{world.project.id}-") for event in world.events if isinstance(event, Removed)]
    assert sorted(removed) == ["db-1", "jaeger-1"], "only what was removed is told so"
    assert {i.service for i in world.engine.instances.values()} == {"api", "web"}


async def test_a_stop_that_is_refused_is_told_by_the_removal() -> None:
    world = World()
    await world.up(stack(service("web")))
    web = next(i.id for i in world.engine.instances.values() if i.service == "web")
    world.engine.faults.fail("stop", EngineRefused("web: cannot end it"), target=web)
    assert (await world.down()).left == ()


async def test_the_events_tell_what_is_gone() -> None:
    world = World()
    await world.up(stack(service("web")))
    await world.down()
    kinds = [event.kind for event in world.events if isinstance(event, Removed)]
    assert kinds == ["container", "container", "network"]


def instance(name: str, needs: str) -> ObservedInstance:
    return ObservedInstance(
        id=name,
        name=name,
        service=name,
        index=1,
        state=State.RUNNING,
        config_hash="",
        labels={"devenv.depends-on": needs},
    )


def test_the_order_of_removal_survives_labels_that_contradict_each_other() -> None:
    order = removal_order((instance("a", "b"), instance("b", "a"), instance("c", "a,d"), instance("d", "")))
    assert order["d"] == {"c"}
    assert order["a"] == order["b"] == frozenset()


# --- stop, start, restart ---


async def lifecycle_world() -> tuple[World, object]:
    world = World()
    wanted = stack(
        service("job", command=("true",)),
        service("db"),
        service(
            "web",
            depends_on=[
                Dependency(service="db", restart=True),
                Dependency(service="job", condition="service_completed_successfully"),
            ],
        ),
    )
    await world.up(wanted)
    world.engine.faults.calls.clear()
    return world, wanted


async def test_stop_and_start_keep_the_instances() -> None:
    world, wanted = await lifecycle_world()
    before = set(world.engine.instances)
    stopped = await stop(world.engine, world.project, clock=world.clock, sink=world.events.append)
    assert stopped == tuple(f"{world.project.id}-{name}-1" for name in ("db", "jaeger", "web"))
    assert not any(i.alive for i in world.engine.instances.values())
    results = await start(world.engine, world.project, wanted, clock=world.clock, sink=world.events.append)
    assert set(world.engine.instances) == before
    assert {item.service.name: item.health for item in results}["job"] is Health.COMPLETED
    names = {i.id: i.service for i in world.engine.instances.values()}
    started = [names[item] for item in calls(world, "start")]
    assert started.index("db") < started.index("web")
    assert "job" not in started


async def test_up_after_stop_brings_everything_back() -> None:
    world, wanted = await lifecycle_world()
    await stop(world.engine, world.project, clock=world.clock, sink=world.events.append)
    result = await world.up(wanted)
    assert not any(item.failure for item in result.services)
    assert sum(i.alive for i in world.engine.instances.values()) == 3


async def test_restart_takes_dependents_that_ask_for_it() -> None:
    world, wanted = await lifecycle_world()
    results = await restart(world.engine, world.project, wanted, ("db",), clock=world.clock, sink=world.events.append)
    assert [item.service.name for item in results] == ["db", "web"]
    names = {i.id: i.service for i in world.engine.instances.values()}
    assert [names[item] for item in calls(world, "start")] == ["db", "web"]
    assert all(item.ready_ms is not None for item in results)


@pytest.mark.parametrize("act", [start, restart])
async def test_settings_that_have_changed_since_are_told(act: Any) -> None:
    world = World()
    await world.up(stack(service("web", environment={"A": "1"}), service("db")))
    world.events.clear()
    changed = stack(service("web", environment={"A": "2"}, command=("run",)), service("db"))
    for wanted, names in ((stack(service("web", environment={"A": "1"}), service("db")), []), (changed, ["web"])):
        await act(world.engine, world.project, wanted, clock=world.clock, sink=world.events.append)
        told = [event.message for event in world.events if isinstance(event, Notice) and event.warning]
        assert [text.partition(" ")[0] for text in told] == names
    assert told[0].endswith("(command, environment changed): run `devenv up web` to apply them")


async def test_what_is_not_there_cannot_be_stopped() -> None:
    world = World()
    with pytest.raises(NotUp):
        await stop(world.engine, world.project, clock=world.clock, sink=world.events.append)
    world, wanted = await lifecycle_world()
    with pytest.raises(UnknownName):
        await restart(world.engine, world.project, wanted, ("wob",), clock=world.clock, sink=world.events.append)


async def test_a_backend_that_keeps_its_traces_stops_last() -> None:
    world = World()
    wanted = stack(service("web"), x={"jaeger": {"storage": "badger"}})
    await world.up(wanted)
    names = {i.id: i.service for i in world.engine.instances.values()}
    result = await world.down()
    assert [names[item] for item in calls(world, "stop")] == ["web", "jaeger"]
    assert result.kept_volumes == (f"{world.project.id}_jaeger-data",)
