"""Stopping, starting and restarting what is there, without creating or removing anything."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from devenv.errors import NotUp
from devenv.events import Stopping
from devenv.model.plan import Action, Plan
from devenv.model.state import State
from devenv.orchestrate.apply import Application
from devenv.orchestrate.concurrency import gather
from devenv.orchestrate.down import removal_order
from devenv.orchestrate.instrument import instrument
from devenv.orchestrate.results import ServiceResult, results_of
from devenv.orchestrate.selection import check_known, one_shots
from devenv.orchestrate.target import Target

if TYPE_CHECKING:
    from devenv.clock import Clock
    from devenv.contract.engine import Engine
    from devenv.events import Sink
    from devenv.model.identity import Project
    from devenv.model.stack import Service, Stack
    from devenv.model.state import ObservedInstance, ObservedState

_RUNS = frozenset({State.RUNNING, State.RESTARTING, State.PAUSED})


async def stop(
    engine: Engine,
    project: Project,
    services: tuple[str, ...] = (),
    *,
    timeout: float | None = None,
    clock: Clock,
    sink: Sink,
) -> tuple[str, ...]:
    """Stop instances without removing them, dependents before what they depend on.

    Args:
        engine: runs them.
        project: whose instances.
        services: of these alone; empty: all.
        timeout: seconds that each has to end; ``None``: as its stack file said.
        clock: unused; taken like everywhere.
        sink: gets ``Stopping``.

    Returns:
        Names of the instances that ran, sorted.

    Raises:
        NotUp: nothing of the project is there.
        UnknownName: it has no such service.
    """
    del clock
    observed = await _observed(engine, project, services)
    running = tuple(i for i in observed.instances if i.state in _RUNS and (not services or i.service in services))
    order = removal_order(running)
    gone = {instance.id: asyncio.Event() for instance in running}

    async def end(instance: ObservedInstance) -> None:
        for earlier in order[instance.id]:
            await gone[earlier].wait()
        sink(Stopping(service=instance.service, instance=instance.index))
        await engine.stop(instance.id, grace=timeout)
        gone[instance.id].set()

    await gather(*(end(instance) for instance in running))
    return tuple(sorted(instance.name for instance in running))


async def start(
    engine: Engine,
    project: Project,
    stack: Stack,
    services: tuple[str, ...] = (),
    *,
    timeout: float = 120.0,
    clock: Clock,
    sink: Sink,
) -> tuple[ServiceResult, ...]:
    """Start instances that were stopped, in the order of their dependencies, and wait until they are ready.

    A one-shot that has completed stays as it is. Results are as in :func:`devenv.orchestrate.up.bring_up`.

    Raises:
        NotUp: nothing of the project is there.
        UnknownName: it has no such service.
    """
    return await _apply(engine, project, stack, services, timeout=timeout, clock=clock, sink=sink, again=False)


async def restart(
    engine: Engine,
    project: Project,
    stack: Stack,
    services: tuple[str, ...] = (),
    *,
    timeout: float = 120.0,
    clock: Clock,
    sink: Sink,
) -> tuple[ServiceResult, ...]:
    """Stop and start instances and wait until they are ready; dependents with ``restart: true`` are restarted too.

    Raises:
        NotUp: nothing of the project is there.
        UnknownName: it has no such service.
    """
    return await _apply(engine, project, stack, services, timeout=timeout, clock=clock, sink=sink, again=True)


async def _observed(engine: Engine, project: Project, services: tuple[str, ...]) -> ObservedState:
    observed = await engine.observe(project)
    if not observed.instances:
        raise NotUp(f"{project.name} is not up", hint="run devenv up first", details={"project": project.id})
    check_known(services, sorted({instance.service for instance in observed.instances}))
    return observed


async def _apply(
    engine: Engine,
    project: Project,
    stack: Stack,
    services: tuple[str, ...],
    *,
    timeout: float,
    clock: Clock,
    sink: Sink,
    again: bool,
) -> tuple[ServiceResult, ...]:
    observed = await _observed(engine, project, services)
    traced = instrument(stack, project, backend=engine.capabilities.trace_backend)
    chosen = tuple(name for name in traced.services if observed.of(name) and (not services or name in services))
    if again:
        chosen = _with_dependents(traced, observed, chosen)
    target = Target(project=project, stack=traced, services=chosen, whole=False, prints={}, networks={}, volumes={})
    ends = one_shots(traced)
    actions = [
        _action(traced.services[name], instance, again=again, ends=name in ends)
        for name in chosen
        for instance in observed.of(name)
    ]
    plan = Plan(actions=tuple(actions))
    application = Application(engine, target, plan, observed, clock=clock, sink=sink, timeout=timeout)
    await application.run()
    return results_of(target, plan, application.tracks, await engine.observe(project))


def _with_dependents(stack: Stack, observed: ObservedState, chosen: tuple[str, ...]) -> tuple[str, ...]:
    """``chosen`` and who wants to be restarted with them, in the stack's order."""
    wanted = set(chosen)
    grown = True
    while grown:
        more = {
            service.name
            for service in stack.services.values()
            if observed.of(service.name) and any(d.restart and d.service in wanted for d in service.depends_on)
        } - wanted
        grown = bool(more)
        wanted |= more
    return tuple(name for name in stack.services if name in wanted)


def _action(service: Service, instance: ObservedInstance, *, again: bool, ends: bool) -> Action:
    kind = "keep"
    reason = ""
    if instance.state in _RUNS:
        kind = "restart" if again else "keep"
    elif ends and instance.exit_code == 0:
        reason = "completed"
    else:
        kind = "start"
    return Action(
        kind=kind,  # type: ignore[arg-type] # one of the literals above
        target=instance.name,
        service=service.name,
        index=instance.index,
        instance_id=instance.id,
        reason=reason,
    )
