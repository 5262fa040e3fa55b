"""Whatever was there and wherever devenv was killed: `up` ends where the stack file points, `down` in nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from random import Random

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from orchestration import IMAGE, World, service, stack, volumes

from devenv.model.stack import AddressPool, Dependency, Mount, Network, Service, Stack
from devenv.model.state import State
from devenv.orchestrate.execution.executor import Results
from devenv.orchestrate.execution.operations import run_plan
from devenv.orchestrate.planning.calls import WaitCompleted, WaitReady
from devenv.orchestrate.planning.graph import Plan
from devenv.orchestrate.planning.removal import plan_down
from devenv.orchestrate.up import UpOptions, make_plan
from devenv.testing import Crashed, FakeImage, Script

NAMES = ("a", "b", "c", "d")
CONDITIONS = ("service_started", "service_healthy", "service_completed_successfully")
FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def services(draw: st.DrawFn) -> tuple[Service, ...]:
    """Some of a, b, c, d; each may depend on earlier ones, which rules cycles out."""
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=1).map(sorted))
    chosen = []
    for position, name in enumerate(names):
        needed = draw(st.lists(st.sampled_from(names[:position]), unique=True, max_size=2)) if position else []
        depends = [
            Dependency(service=other, condition=draw(st.sampled_from(CONDITIONS[:2])), restart=draw(st.booleans()))
            for other in needed
        ]
        shares = draw(st.sampled_from([None, None, None, *names[:position]]))
        made = service(
            name,
            depends_on=depends,
            environment={"V": draw(st.sampled_from("12"))},
            replicas=draw(st.integers(1, 2)),
            mounts=(Mount(kind="volume", source="data", target="/data"),) if draw(st.booleans()) else (),
            x={"ready": {"exec": "true"}} if draw(st.booleans()) else {},
        )
        if shares is not None:
            made = replace(made, network_mode=f"service:{shares}", networks=())
        chosen.append(made)
    return tuple(chosen)


@st.composite
def stacks(draw: st.DrawFn) -> Stack:
    chosen = draw(services())
    if draw(st.booleans()):
        job = service("job", command=("true",))
        waits = Dependency(service="job", condition=CONDITIONS[2])
        chosen = (job, *(replace(item, depends_on=(*item.depends_on, waits)) for item in chosen))
    pools = draw(st.sampled_from([(), (AddressPool(subnet="10.98.0.0/24"),)]))
    return stack(*chosen, volumes=volumes("data"), networks={"default": Network(key="default", pools=pools)})


def asking(level: str, *, asks: bool) -> Stack:
    """`b`, which is to be restarted with `a` or no longer depends on it."""
    needed = [Dependency(service="a", restart=True)] if asks else []
    return stack(service("a", environment={"V": level}), service("b", depends_on=needed))


def world_of() -> World:
    world = World()
    world.engine.scripts |= {name: Script(ready_after=0.3) for name in NAMES}
    return world


async def assert_converged(world: World, wanted: Stack) -> None:
    """The observed state is that of the file, and another plan is empty."""
    await world.clock.sleep(1.0)  # so that what is started now is younger than the rest
    result = await world.up(wanted)
    assert not [item.failure for item in result.services if item.failure]
    await assert_as_wanted(world, wanted)


async def assert_as_wanted(world: World, wanted: Stack) -> None:
    """The state is what the file asks for, and a plan is empty."""
    plan = await world.plan(wanted)
    assert all(line.startswith("keep ") for line in plan.splitlines()), plan
    found = sorted((i.service, i.spec.index) for i in world.engine.instances.values())
    assert found == sorted((s.name, index) for s in wanted.services.values() for index in range(1, s.replicas + 1))
    states = {i.service: i.state for i in world.engine.instances.values()}
    assert all(state is State.RUNNING or name == "job" for name, state in states.items()), states
    began: dict[str, float] = {}
    for instance in world.engine.instances.values():
        moment = instance.started_at or 0.0
        began[instance.service] = min(moment, began.get(instance.service, moment))
    for instance in world.engine.instances.values():
        # As the file says it now. An instance is kept when only its dependencies change (they are not in its hash), so
        # that its own specification may name one which the file has given up, and nothing is to restart it for that.
        for dependency in wanted.services[instance.service].depends_on:
            if dependency.restart:
                assert began[dependency.service] <= (instance.started_at or 0.0)
        shared = (instance.spec.service.network_mode or "").removeprefix("service:")
        if shared:
            owners = {i.id for i in world.engine.instances.values() if i.service == shared}
            assert instance.spec.network_container in owners


async def assert_nothing_left(world: World) -> None:
    result = await world.down(volumes=True)
    assert result.left == ()
    assert not world.engine.instances
    assert not world.engine.networks
    assert not world.engine.volumes


@FEW
@given(first=stacks(), second=stacks(), new_image=st.booleans())
@example(first=asking("1", asks=True), second=asking("2", asks=False), new_image=False)
@example(first=asking("1", asks=False), second=asking("2", asks=True), new_image=False)
@example(first=asking("1", asks=True), second=asking("2", asks=True), new_image=False)
def test_up_converges_from_any_other_stack(first: Stack, second: Stack, new_image: bool) -> None:
    async def scenario() -> None:
        world = world_of()
        await assert_converged(world, first)
        if new_image:
            world.engine.images[IMAGE] = FakeImage("sha256:2")
        await assert_converged(world, second)
        await assert_nothing_left(world)

    asyncio.run(scenario())


@FEW
@given(first=stacks(), second=stacks(), point=st.integers(1, 30), after=st.booleans(), then_up=st.booleans())
def test_a_kill_at_any_change_is_recovered_from(
    first: Stack, second: Stack, point: int, after: bool, then_up: bool
) -> None:
    """`first` is up, an `up` to `second` is killed at its `point`-th change; then `up` or `down` comes."""

    async def scenario() -> None:
        world = world_of()
        await world.up(first)
        await killed(world, world.up(second), point, after=after)
        if then_up:
            await assert_converged(world, second)
        await assert_nothing_left(world)

    asyncio.run(scenario())


@FEW
@given(wanted=stacks(), point=st.integers(1, 20), after=st.booleans(), then_up=st.booleans())
def test_a_killed_down_is_recovered_from(wanted: Stack, point: int, after: bool, then_up: bool) -> None:
    async def scenario() -> None:
        world = world_of()
        await world.up(wanted)
        await killed(world, world.down(), point, after=after)
        if then_up:
            await assert_converged(world, wanted)
        await assert_nothing_left(world)

    asyncio.run(scenario())


async def killed(world: World, work: object, point: int, *, after: bool) -> None:
    """Run `work` until its `point`-th change of the engine; the process ends there, with all of its tasks."""
    world.engine.faults.crash_at(point, after=after)
    try:
        await work  # type: ignore[misc]
    except (Crashed, BaseExceptionGroup) as error:
        leaves = error
        while isinstance(leaves, BaseExceptionGroup):
            leaves = leaves.exceptions[0]
        assert isinstance(leaves, Crashed)
    world.engine.faults.heal()


@FEW
@given(wanted=stacks(), chosen=st.sampled_from(NAMES))
def test_down_of_one_service_leaves_the_others(wanted: Stack, chosen: str) -> None:
    async def scenario() -> None:
        world = world_of()
        await world.up(wanted)
        before = {i.id for i in world.engine.instances.values() if i.service != chosen}
        result = await world.down(services=(chosen,))
        assert result.left == ()
        assert set(world.engine.instances) == before
        await assert_converged(world, wanted)

    asyncio.run(scenario())


# --- the graph ---


async def run_in_some_order(world: World, plan: Plan, choice: Random) -> None:
    """Run the steps one at a time, each time any one of those that are free."""
    results: Results = {}
    while len(results) < len(plan.steps):
        free = [step for step in plan.steps if step.id not in results and step.predecessors <= results.keys()]
        chosen = Plan(actions=plan.actions, steps=(choice.choice(free),))
        await run_plan(world.engine, chosen, results, clock=world.clock, sink=world.events.append, timeout=60.0)
    assert all(result.success for result in results.values())


def assert_acyclic(plan: Plan) -> None:
    """Steps are numbered in an order in which they could run, so that there is no cycle."""
    assert [step.id for step in plan.steps] == list(range(1, len(plan.steps) + 1))
    assert all(number in range(1, step.id) for step in plan.steps for number in step.predecessors)


def assert_each_instance_gets_ready(plan: Plan) -> None:
    """Every instance that the file asks for is waited for exactly once, after its start, after its creation."""
    waits = Counter(step.action.target for step in plan.calls(WaitReady, WaitCompleted))
    wanted = [action for action in plan.actions if action.index and action.kind != "remove" and not action.completed]
    assert waits == Counter(action.target for action in wanted)
    by_id = {step.id: step for step in plan.steps}
    for step in plan.calls(WaitReady, WaitCompleted):
        if step.action.changes:
            (start,) = (by_id[number] for number in step.after)
            assert (start.call.verb, start.action) == ("start", step.action)
            if step.action.creates:
                assert [by_id[number].call.verb for number in start.after] == ["create"]


@FEW
@given(first=stacks(), second=stacks(), new_image=st.booleans(), choice=st.randoms(use_true_random=False))
def test_any_order_that_the_graph_allows_converges(
    first: Stack, second: Stack, new_image: bool, choice: Random
) -> None:
    async def scenario() -> None:
        world = world_of()
        await world.up(first)
        await world.clock.sleep(1.0)
        if new_image:
            world.engine.images[IMAGE] = FakeImage("sha256:2")
        plan = await make_plan(world.engine, world.project, second, UpOptions(), sink=world.events.append)
        assert_acyclic(plan)
        assert_each_instance_gets_ready(plan)
        await run_in_some_order(world, plan, choice)
        await assert_as_wanted(world, second)

    asyncio.run(scenario())


@FEW
@given(wanted=stacks(), choice=st.randoms(use_true_random=False))
def test_down_in_any_order_that_the_graph_allows_leaves_nothing(wanted: Stack, choice: Random) -> None:
    async def scenario() -> None:
        world = world_of()
        await world.up(wanted)
        found = await world.engine.observe(world.project)
        plan = plan_down(found.instances, found.networks, found.volumes, grace=None)
        assert_acyclic(plan)
        await run_in_some_order(world, plan, choice)
        await assert_nothing_left(world)

    asyncio.run(scenario())
