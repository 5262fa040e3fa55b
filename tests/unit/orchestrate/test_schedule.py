"""The schedule of a plan: which steps there are, and what each of them waits for."""

from __future__ import annotations

from orchestration import World, service, stack, volumes

from devenv.model.stack import AddressPool, Dependency, Mount, Network, Port
from devenv.orchestrate.execution.executor import StepResult
from devenv.orchestrate.execution.operations import run_plan
from devenv.orchestrate.planning.change import plan_change
from devenv.orchestrate.planning.removal import plan_down, plan_rollback, plan_stop
from devenv.testing import FakeImage

HEALTHY, COMPLETED = "service_healthy", "service_completed_successfully"
DATA = Mount(kind="volume", source="data", target="/data")


def steps(text: str, world: World) -> list[str]:
    """A printed schedule without the trace backend, with the project's ID written as `P`."""
    return [line for line in text.replace(world.project.id, "P").splitlines() if "jaeger" not in line]


async def test_each_call_and_each_wait_is_a_step() -> None:
    world = World()
    wanted = stack(
        service("db", mounts=(DATA,)),
        service("job"),
        service(
            "web",
            replicas=2,
            depends_on=[
                Dependency(service="db", condition=HEALTHY),
                Dependency(service="job", condition=COMPLETED, required=False),
            ],
        ),
        volumes=volumes("data"),
    )
    assert steps(await world.schedule(wanted), world) == [
        "#1 create-network P_default",
        "#2 create-volume P_data",
        "#3 create P-db-1 after #1, #2",
        "#4 start P-db-1 after #3",
        "#5 wait-ready P-db-1 after #4",
        "#6 create P-job-1 after #1",
        "#7 start P-job-1 after #6",
        "#8 wait-completed P-job-1 after #7",
        "#9 create P-web-1 after #1",
        "#10 create P-web-2 after #1",
        "#11 start P-web-1 after #9 when db (healthy #5), job (completed #8)",
        "#12 wait-ready P-web-1 after #11",
        "#13 start P-web-2 after #10 when db (healthy #5), job (completed #8)",
        "#14 wait-ready P-web-2 after #13",
    ]


async def test_a_service_that_shares_a_network_waits_for_its_owner() -> None:
    world = World()
    wanted = stack(service("sidecar", network_mode="service:app"), service("app"))
    assert steps(await world.schedule(wanted), world) == [
        "#1 create-network P_default",
        "#2 create P-app-1 after #1",
        "#3 start P-app-1 after #2",
        "#4 wait-ready P-app-1 after #3",
        "#5 create P-sidecar-1 after #2",
        "#6 start P-sidecar-1 after #5 when app (started #3)",
        "#7 wait-ready P-sidecar-1 after #6",
    ]


async def test_what_is_kept_is_only_waited_for() -> None:
    world = World()
    wanted = stack(
        service("job", command=("true",)),
        service("web", depends_on=[Dependency(service="job", condition=COMPLETED)]),
    )
    await world.up(wanted)
    assert steps(await world.schedule(wanted), world) == ["#1 wait-ready P-web-1"]


async def test_a_replacement_and_a_restart() -> None:
    world = World()

    def wanted(level: str) -> object:
        return stack(
            service("db", environment={"LEVEL": level}),
            service("api", depends_on=[Dependency(service="db", condition=HEALTHY, restart=True)]),
        )

    await world.up(wanted("info"))
    assert steps(await world.schedule(wanted("debug")), world) == [
        "#1 stop P-db-1",
        "#2 remove P-db-1 after #1",
        "#3 create P-db-1 after #2",
        "#4 start P-db-1 after #3",
        "#5 wait-ready P-db-1 after #4",
        "#6 stop P-api-1 when db (healthy #5)",
        "#7 start P-api-1 after #6",
        "#8 wait-ready P-api-1 after #7",
    ]


async def test_a_network_is_replaced_after_all_removals() -> None:
    world = World()
    await world.up(stack(service("web")))
    changed = stack(
        service("web"), networks={"default": Network(key="default", pools=(AddressPool(subnet="10.99.0.0/24"),))}
    )
    schedule = await world.schedule(changed)
    assert schedule.splitlines() == [
        "#1 stop P-web-1",
        "#2 remove P-web-1 after #1",
        "#3 stop P-jaeger-1",
        "#4 remove P-jaeger-1 after #3",
        "#5 remove-network P_default after #2, #4",
        "#6 create-network P_default after #5",
        "#7 create P-web-1 after #2, #6",
        "#8 start P-web-1 after #7",
        "#9 wait-ready P-web-1 after #8",
        "#10 create P-jaeger-1 after #4, #6",
        "#11 start P-jaeger-1 after #10",
        "#12 wait-ready P-jaeger-1 after #11",
    ]


async def test_a_port_and_an_unused_network_are_released_first() -> None:
    world = World()
    before = stack(
        service("old", ports=(Port(container=80, host=48123),)),
        networks={"default": Network(key="default"), "extra": Network(key="extra")},
    )
    await world.up(before)
    after = stack(service("new", ports=(Port(container=80, host=48123),)))
    found = steps(await world.schedule(after), world)
    assert "#1 stop P-old-1" in found
    assert "#2 remove P-old-1 after #1" in found
    created = next(line for line in found if " create P-new-1" in line)
    assert "#2" in created.partition("after")[2]
    removal = (await world.schedule(after)).splitlines()[-1]
    assert " remove-network P_extra after #2" in removal
    assert "once ended" in removal


async def test_instances_wait_for_images_because_their_hash_needs_them() -> None:
    world = World()
    await world.up(stack(service("old")))
    wanted = stack(service("web", image="fetched:1"), service("old", environment={"A": "1"}))
    world.engine.registry["fetched:1"] = FakeImage("sha256:2")
    expected = [
        "#1 pull fetched:1",
        "#2 stop P-old-1 after #1",
        "#3 remove P-old-1 after #2",
        "#4 create P-web-1 after #1",
        "#5 start P-web-1 after #4",
        "#6 wait-ready P-web-1 after #5",
        "#7 create P-old-1 after #1, #3",
        "#8 start P-old-1 after #7",
        "#9 wait-ready P-old-1 after #8",
    ]
    assert steps(await world.schedule(wanted), world) == expected
    result = await world.up(wanted)
    assert steps(result.plan.schedule, world) == expected


async def test_down_stops_dependents_first_and_removes_networks_last() -> None:
    world = World()
    await world.up(stack(service("db", mounts=(DATA,)), service("web", depends_on=["db"]), volumes=volumes("data")))
    found = await world.engine.observe(world.project)
    others = (instance for instance in found.instances if instance.service != "jaeger")
    instances = sorted(others, key=lambda instance: instance.service)
    plan = plan_down(instances, found.networks, found.volumes, grace=None)
    assert steps(plan.schedule, world) == [
        "#1 stop P-web-1",
        "#2 stop P-db-1 after #1",
        "#3 remove P-db-1 after #2",
        "#4 remove P-web-1 after #1",
        "#5 remove-network P_default after #3, #4",
        "#6 remove-volume P_data after #3, #4",
    ]
    assert steps(plan_stop(found, ("web", "db"), grace=None).schedule, world) == [
        "#1 stop P-web-1",
        "#2 stop P-db-1 after #1",
    ]


async def test_start_and_restart_follow_the_conditions() -> None:
    world = World()
    wanted = stack(service("web", depends_on=[Dependency(service="db", condition=HEALTHY)]), service("db"))
    await world.up(wanted)
    found = await world.engine.observe(world.project)
    restart = plan_change(world.project, wanted, found, ("web", "db"), restarts=True)
    assert [str(action).split()[0] for action in restart.actions] == ["restart", "restart"]
    assert steps(restart.schedule, world) == [
        "#1 stop P-db-1",
        "#2 start P-db-1 after #1",
        "#3 wait-ready P-db-1 after #2",
        "#4 stop P-web-1 when db (healthy #3)",
        "#5 start P-web-1 after #4",
        "#6 wait-ready P-web-1 after #5",
    ]
    kept = plan_change(world.project, wanted, found, ("web", "db"), restarts=False)
    assert steps(kept.schedule, world) == ["#1 wait-ready P-db-1", "#2 wait-ready P-web-1"]


async def test_a_rollback_removes_what_was_created_and_nothing_else() -> None:
    world = World()
    wanted = stack(service("db", mounts=(DATA,)), service("web"), volumes=volumes("data"))
    made = (await world.up(wanted)).plan
    created = {step.id: f"id{step.id}" for step in made.steps if step.action.target.endswith(("default", "web-1"))}
    plan = plan_rollback(made, created)
    assert steps(plan.schedule, world) == [
        "#1 stop P-web-1",
        "#2 remove P-web-1 after #1",
        "#3 remove-network P_default after #2",
    ]


async def test_a_step_with_a_result_does_not_run_again() -> None:
    world = World()
    result = await world.up(stack(service("web")))
    before = world.engine.faults.mutations
    done = {step.id: StepResult(success=True) for step in result.plan.steps}
    await run_plan(world.engine, result.plan, done, clock=world.clock, sink=world.events.append)
    assert world.engine.faults.mutations == before
