"""Stops, starts and restarts existing instances, without creating or removing any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.errors import NotUp
from devenv.events import Notice
from devenv.orchestrate.execution.operations import run_plan
from devenv.orchestrate.execution.results import ServiceResult, results_of
from devenv.orchestrate.execution.steadiness import checked, until_steady
from devenv.orchestrate.instrument import instrument
from devenv.orchestrate.planning.change import plan_change, with_dependents
from devenv.orchestrate.planning.outdated import outdated
from devenv.orchestrate.planning.removal import plan_stop
from devenv.orchestrate.selection import check_known

if TYPE_CHECKING:
    from devenv.clock import Clock
    from devenv.contract.engine import Engine
    from devenv.events import Sink
    from devenv.model.identity import Project
    from devenv.model.stack import Stack
    from devenv.model.state import ObservedState
    from devenv.orchestrate.execution.executor import Results


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
        services: instances of these alone; empty: all.
        timeout: seconds that each has to end; ``None``: as in the stack file that it was created from.
        clock: as in :func:`start`.
        sink: gets the events.

    Returns:
        Names of the instances that were running, sorted.

    Raises:
        NotUp: If the project has no instances.
        UnknownName: If it has no such service.
    """
    observed = await _observed(engine, project, services)
    plan = plan_stop(observed, services, grace=timeout)
    await run_plan(engine, plan, {}, clock=clock, sink=sink)
    return tuple(sorted(action.target for action in plan.actions))


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

    Args:
        engine: runs them.
        project: whose instances.
        stack: as resolved from its files.
        services: instances of these alone; empty: all.
        timeout: seconds until everything has to be ready.
        clock: bounds the wait.
        sink: gets the events.

    Raises:
        NotUp: If the project has no instances.
        UnknownName: If it has no such service.
    """
    return await _change(engine, project, stack, services, timeout=timeout, clock=clock, sink=sink, restarts=False)


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

    An instance keeps the settings that it was created with; a warning names services whose settings have changed.

    Arguments and errors are those of :func:`start`.
    """
    return await _change(engine, project, stack, services, timeout=timeout, clock=clock, sink=sink, restarts=True)


async def _change(
    engine: Engine,
    project: Project,
    stack: Stack,
    services: tuple[str, ...],
    *,
    timeout: float,
    clock: Clock,
    sink: Sink,
    restarts: bool,
) -> tuple[ServiceResult, ...]:
    observed = await _observed(engine, project, services)
    traced = instrument(stack, backend=engine.capabilities.trace_backend)
    chosen = tuple(name for name in traced.services if observed.of(name) and (not services or name in services))
    if restarts:
        chosen = with_dependents(traced, observed, chosen)
    for text in outdated(project, traced, observed, chosen, engine.capabilities):
        sink(Notice(message=text, warning=True))
    plan = plan_change(project, traced, observed, chosen, restarts=restarts)
    results: Results = {}
    await run_plan(engine, plan, results, clock=clock, sink=sink, timeout=timeout, project=project)
    after = await engine.observe(project)
    found = results_of(traced, chosen, plan, results, after)
    await until_steady(engine, project, found, after, clock=clock)
    return await checked(engine, found, await engine.observe(project), clock=clock)


async def _observed(engine: Engine, project: Project, services: tuple[str, ...]) -> ObservedState:
    observed = await engine.observe(project)
    if not observed.instances:
        text = f"{project.name} is not running"
        raise NotUp(text, hint="run `devenv up` first", details={"project": project.id})
    check_known(services, sorted({instance.service for instance in observed.instances}))
    return observed
