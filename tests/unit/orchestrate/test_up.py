"""Bringing up on the fake engine: order, conditions, failures, timeouts, images, crash safety."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from orchestration import IMAGE, World, service, stack, volumes

from devenv.errors import BuildFailed, EngineLost, EngineRefused, PortTaken
from devenv.events import (
    ImageBuilding,
    Notice,
    ServiceCompleted,
    ServiceFailed,
    ServiceReady,
    ServiceStarting,
    ServiceUnchanged,
    ServiceWaiting,
)
from devenv.model.identity import LABEL_ROLE, LABEL_SERVICE
from devenv.model.stack import Build, Dependency, Healthcheck, Mount, Network, Port, Restart, Volume
from devenv.model.state import Health, State
from devenv.testing import Script

HEALTHY, COMPLETED = "service_healthy", "service_completed_successfully"
PROBED = {"ready": {"exec": "true"}}


def after(name: str, condition: str = HEALTHY, **more: bool) -> Dependency:
    return Dependency(service=name, condition=condition, **more)


def started(world: World) -> list[str]:
    """Services in the order in which the engine was told to start them."""
    name_of = {i.id: i.service for i in world.engine.instances.values()}
    return [name_of[c.target] for c in world.engine.faults.calls if c.method == "start" and c.target in name_of]


async def test_everything_is_created_at_once_and_starts_when_it_may() -> None:
    world = World()
    world.engine.scripts |= {"db": Script(ready_after=2.0), "web": Script(), "free": Script()}
    wanted = stack(service("web", depends_on=[after("db")]), service("db", x=PROBED), service("free"))
    result = await world.up(wanted)
    calls = [c.method for c in world.engine.faults.calls if c.method in {"create", "start"}]
    assert calls[:4] == ["create"] * 4
    assert [name for name in started(world) if name != "jaeger"] == ["db", "free", "web"]
    by_name = {item.service.name: item for item in result.services}
    assert by_name["db"].health is Health.HEALTHY
    assert by_name["db"].ready_ms == pytest.approx(2000, abs=200)
    assert by_name["web"].ready_ms < 500
    assert by_name["web"].instances[0].state is State.RUNNING
    assert world.named(ServiceWaiting) == ["web"]
    assert set(world.named(ServiceReady)) == {"db", "free", "web", "jaeger"}


async def test_a_chain_takes_the_longest_path_and_no_more() -> None:
    world = World()
    world.engine.scripts |= {name: Script(ready_after=1.0) for name in ("a", "b", "c", "d")}
    await world.up(
        stack(
            service("a", x=PROBED),
            service("b", x=PROBED, depends_on=[after("a")]),
            service("c", x=PROBED),
            service("d", x=PROBED, depends_on=[after("c", "service_started")]),
        )
    )
    assert world.clock.monotonic() == pytest.approx(2.0, abs=0.5)


async def test_20_services_take_at_most_a_third_more_than_their_slowest_chain() -> None:
    world = World()
    chains = {"slow": (2.5,) * 6, "steady": (1.5,) * 6, "quick": (0.3,) * 5, "late": (0.1, 4.0, 0.1)}
    services = []
    for chain, boots in chains.items():
        for number, boot in enumerate(boots):
            name = f"{chain}{number}"
            world.engine.scripts[name] = Script(ready_after=boot, start_seconds=0.3)
            needs = [after(f"{chain}{number - 1}")] if number else []
            check = Healthcheck(test=("CMD", "true"), interval=1.0, retries=99)
            services.append(service(name, healthcheck=check, depends_on=needs))
    result = await world.up(stack(*services))
    assert len(result.services) == 21
    assert not result.failed
    assert world.clock.monotonic() <= 1.3 * max(sum(boots) for boots in chains.values())


async def test_a_one_shot_that_exits_with_0_lets_dependents_start() -> None:
    world = World()
    world.engine.scripts |= {"job": Script(exit_after=1.0), "web": Script()}
    result = await world.up(stack(service("job"), service("web", depends_on=[after("job", COMPLETED)])))
    assert result.services[0].health is Health.COMPLETED
    assert world.named(ServiceCompleted) == ["job"]
    assert result.services[1].instances[0].state is State.RUNNING


async def test_a_one_shot_that_fails_says_so_and_who_waited() -> None:
    world = World()
    world.engine.scripts |= {"job": Script(exit_after=1.0, exit_code=3, logs=[(0.5, "no such table")])}
    result = await world.up(
        stack(
            service("job"),
            service("api", depends_on=[after("job", COMPLETED)]),
            service("web", depends_on=["api"]),
            service("other"),
        )
    )
    job, api, web, other, _ = result.services
    assert job.failure is not None
    assert job.failure.reason == "exited with code 3"
    assert job.failure.exit_code == 3
    assert job.failure.log_tail == ("no such table",)
    assert job.waited_for_by == ("api", "web")
    assert (api.failure, web.failure, api.health) == (None, None, Health.STARTING)
    assert {i.state for i in (*api.instances, *web.instances)} == {State.CREATED}
    assert other.instances[0].state is State.RUNNING
    assert not result.timed_out
    assert world.named(ServiceFailed) == ["job"]


async def test_a_dependency_that_is_not_required_may_fail_or_be_absent() -> None:
    world = World()
    world.engine.scripts |= {"cache": Script(exit_after=0.5, exit_code=1, ready_after=None), "web": Script()}
    wanted = stack(
        service("cache", x=PROBED),
        service("web", depends_on=[after("cache", required=False), after("absent", required=False)]),
    )
    result = await world.up(wanted)
    assert result.services[1].instances[0].state is State.RUNNING
    assert result.services[0].failure is not None


async def test_what_is_not_ready_in_time_is_told_apart_from_what_died() -> None:
    world = World()
    world.engine.scripts |= {"slow": Script(ready_after=None), "web": Script()}
    slow = service("slow", x=PROBED)
    result = await world.up(stack(slow, service("web", depends_on=[after("slow")])), timeout=5)
    assert result.timed_out
    assert result.services[0].failure is not None
    assert result.services[0].failure.timed_out
    assert result.services[0].waited_for_by == ("web",)
    assert world.clock.monotonic() == pytest.approx(5.0, abs=0.5)
    world.engine.scripts["dead"] = Script(exit_after=0.1, exit_code=1, ready_after=None)
    result = await world.up(stack(slow, service("dead", x=PROBED)), timeout=5)
    assert not result.timed_out


async def test_a_timeout_counts_from_the_first_start_and_names_the_restarts() -> None:
    world = World()
    world.engine.scripts["web"] = Script(exit_after=2.0, exit_code=1, ready_after=None)
    web = service("web", x=PROBED, restart=Restart(policy="always"))
    result = await world.up(stack(web), timeout=5)
    failure = result.services[0].failure
    assert failure is not None
    assert failure.timed_out
    assert failure.reason == f"was not ready 5 s after the first start; {failure.restarts}"
    assert "exited with code 1" in failure.restarts


async def test_a_second_up_changes_nothing_and_runs_at_once() -> None:
    world = World()
    world.engine.scripts |= {"db": Script(ready_after=3.0)}
    wanted = stack(service("db", x=PROBED), service("web", depends_on=[after("db")]))
    await world.up(wanted)
    before, instant = world.engine.faults.mutations, world.clock.monotonic()
    result = await world.up(wanted)
    assert result.plan.empty
    assert world.engine.faults.mutations == before
    assert world.clock.monotonic() - instant < 0.5
    assert set(world.named(ServiceUnchanged)) == {"db", "web", "jaeger"}
    assert [item.ready_ms for item in result.services] == [None, None, None]


async def test_a_kept_service_that_is_unhealthy_is_told() -> None:
    world = World()
    wanted = stack(service("db", x=PROBED))
    world.engine.scripts["db"] = Script()
    await world.up(wanted)
    world.engine.scripts["db"].ready_after = None
    result = await world.up(wanted, timeout=2)
    assert result.services[0].failure is not None
    assert result.timed_out


async def test_a_replacement_says_why() -> None:
    world = World()
    await world.up(stack(service("web")))
    world.events.clear()
    await world.up(stack(service("web", environment={"A": "1"})))
    starting = [event for event in world.events if isinstance(event, ServiceStarting)]
    assert [(event.service, event.reason) for event in starting] == [("web", "environment changed")]
    assert len([i for i in world.engine.instances.values() if i.service == "web"]) == 1


async def test_images_are_built_and_pulled_once_each() -> None:
    world = World()
    world.engine.registry["fetched:1"] = world.engine.images[IMAGE]
    build = Build(context=Path("/nowhere"))
    wanted = stack(
        service("a", image="made:1", build=build),
        service("b", image="made:1", build=build),
        service("c", image="fetched:1"),
        service("d", image="fetched:1"),
    )
    result = await world.up(wanted)
    assert world.engine.builds == ["made:1"]
    assert [c.target for c in world.engine.faults.calls if c.method == "pull"] == ["fetched:1"]
    assert not any(item.failure for item in result.services)
    assert (await world.plan(wanted)).count("keep") == 5
    assert any(isinstance(event, ImageBuilding) and event.line.startswith("built") for event in world.events)


async def test_a_failed_build_starts_and_replaces_nothing() -> None:
    world = World()
    web = service("web", build=Build(context=Path("/nowhere")))
    await world.up(stack(web))
    running = set(world.engine.instances)
    world.engine.faults.fail("build", BuildFailed("no"))
    with pytest.raises(BuildFailed):
        await world.up(stack(web, service("new")), build=True)
    assert set(world.engine.instances) == running


async def test_a_start_that_the_engine_refuses_is_the_services_failure() -> None:
    world = World()
    world.engine.scripts |= {"bad": Script(start_error=EngineRefused("exec: nosuch: not found")), "good": Script()}
    result = await world.up(stack(service("bad"), service("good"), service("web", depends_on=["bad"])))
    bad, good, web, _ = result.services
    assert bad.failure is not None
    assert bad.failure.reason == "could not start: exec: nosuch: not found"
    assert bad.waited_for_by == ("web",)
    assert good.failure is None
    assert web.instances[0].state is State.CREATED


async def test_a_lost_engine_ends_it_all() -> None:
    world = World()
    world.engine.scripts["web"] = Script(ready_after=None)

    async def lose() -> None:
        await world.clock.sleep(1.0)
        world.engine.faults.lost = True

    task = asyncio.create_task(lose())
    with pytest.raises(EngineLost):
        await world.up(stack(service("web", x=PROBED)))
    await task


async def test_a_port_that_is_taken_stops_it_before_anything_is_there(unused_tcp_port: int) -> None:
    world = World()
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", unused_tcp_port)
    async with server:
        with pytest.raises(PortTaken, match=rf"port {unused_tcp_port} of web is in use by .*\(pid \d+\)"):
            await world.up(stack(service("web", ports=(Port(container=80, host=unused_tcp_port),))))
    assert world.engine.faults.mutations == 0


async def test_a_foreign_container_of_the_same_name_is_never_removed() -> None:
    world = World()
    world.engine.faults.fail("create", EngineRefused("the name is in use by another container"))
    with pytest.raises(EngineRefused, match="in use"):
        await world.up(stack(service("web")))
    assert "remove" not in {c.method for c in world.engine.faults.calls}


async def test_rollback_takes_away_what_this_up_made_and_no_more() -> None:
    world = World()
    await world.up(stack(service("old")))
    standing = set(world.engine.instances)
    world.engine.scripts["bad"] = Script(exit_after=0.1, exit_code=1, ready_after=None)
    wanted = stack(service("old"), service("new"), service("bad", x=PROBED))
    result = await world.up(wanted, rollback=True)
    assert result.services[2].failure is not None
    assert set(world.engine.instances) == standing
    assert len(world.engine.networks) == 1


async def test_a_network_that_cannot_be_removed_ends_the_up_when_all_is_ready() -> None:
    world = World()
    before = stack(service("web"), networks={"default": Network(key="default"), "extra": Network(key="extra")})
    await world.up(before)
    world.events.clear()
    world.engine.faults.fail("remove_network", EngineRefused("has active endpoints"))
    world.engine.scripts["new"] = Script(ready_after=2.0)
    with pytest.raises(EngineRefused):
        await world.up(stack(service("web"), service("new", x=PROBED)))
    assert "new" in world.named(ServiceReady)


async def test_without_rollback_what_runs_is_left_for_inspection() -> None:
    world = World()
    world.engine.scripts["bad"] = Script(exit_after=0.1, exit_code=1, ready_after=None)
    await world.up(stack(service("new"), service("bad", x=PROBED)))
    assert {i.service for i in world.engine.instances.values()} == {"new", "bad", "jaeger"}


async def test_cancelling_leaves_what_up_and_down_take_on_from() -> None:
    world = World()
    world.engine.scripts["web"] = Script(ready_after=None)
    wanted = stack(service("web", x=PROBED), service("next", depends_on=[after("web")]))
    task = asyncio.create_task(world.up(wanted))
    await world.clock.sleep(3.0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    world.engine.scripts["web"].ready_after = 0.0
    result = await world.up(wanted)
    assert not any(item.failure for item in result.services)
    assert (await world.down()).left == ()
    assert not world.engine.instances


async def test_a_service_on_anothers_network_waits_for_it() -> None:
    world = World()
    world.engine.scripts["app"] = Script(start_seconds=1.0)
    await world.up(stack(service("sidecar", network_mode="service:app"), service("app")))
    assert [name for name in started(world) if name != "jaeger"] == ["app", "sidecar"]
    by_service = {i.service: i for i in world.engine.instances.values()}
    assert by_service["sidecar"].spec.network_container == by_service["app"].id


async def test_labels_tell_roles_and_dependencies() -> None:
    world = World()
    await world.up(stack(service("db"), service("web", depends_on=["db"], ports=(Port(container=80, host=48123),))))
    labels = {i.service: i.spec.labels for i in world.engine.instances.values()}
    assert labels["web"][LABEL_ROLE] == "entrypoint"
    assert labels["jaeger"][LABEL_ROLE] == "trace-backend"
    assert LABEL_ROLE not in labels["db"]
    assert labels["web"]["devenv.depends-on"] == "db"
    assert labels["web"][LABEL_SERVICE] == "web"


@pytest.fixture
def unused_tcp_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_a_service_with_no_replicas_holds_nobody_up() -> None:
    world = World()
    result = await world.up(stack(service("db", replicas=0), service("web", depends_on=[after("db")])))
    assert [item.failure for item in result.services] == [None, None, None]
    assert result.services[0].health is Health.NONE


async def test_a_volume_whose_definition_changed_is_kept_and_told() -> None:
    world = World()
    store = service("db", mounts=(Mount(kind="volume", source="data", target="/data"),))
    await world.up(stack(store, volumes=volumes("data")))
    await world.up(stack(store, volumes={"data": Volume(key="data", driver_opts={"type": "tmpfs"})}))
    told = [event.message for event in world.events if isinstance(event, Notice)]
    name = f"{world.project.id}_data"
    kept = (
        f"volume {name} was not recreated, although its definition changed; to remove it, run `devenv down --volumes`"
    )
    assert told == [kept]
