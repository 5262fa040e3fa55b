"""Brings a project up: observes, plans, and runs the plan; or only plans, for ``--dry-run``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from devenv.contract.inheritance import inherited
from devenv.errors import DevenvError, UsageError
from devenv.events import Notice, Planned, ServiceFailed, Sink
from devenv.immutable import immutable
from devenv.model.build_contexts import with_contexts_of
from devenv.orchestrate.concurrency import both
from devenv.orchestrate.container_names import check_names
from devenv.orchestrate.derivation.refusals import check_services
from devenv.orchestrate.execution.operations import run_plan
from devenv.orchestrate.execution.results import ServiceResult, results_of, unchecked_dependencies
from devenv.orchestrate.execution.steadiness import checked, until_steady
from devenv.orchestrate.image_tasks import ImageTask, image_ages, image_configs, image_ids, image_tasks, refuse_builds
from devenv.orchestrate.instrument import check_access, instrument
from devenv.orchestrate.instrumentation.agents import AGENTS
from devenv.orchestrate.instrumentation.decision import decide, with_build_of_its_image
from devenv.orchestrate.jaeger import with_traces_on_disk
from devenv.orchestrate.planning.removal import plan_rollback
from devenv.orchestrate.planning.up import image_ids_of, plan_up, preparation
from devenv.orchestrate.planning.waits import waiting_for
from devenv.orchestrate.port_block import allot
from devenv.orchestrate.port_conflicts import check_conflicts
from devenv.orchestrate.published_ports import check_free
from devenv.orchestrate.selection import check_instances, check_known, check_probes, disabled_checks, scaled, select
from devenv.orchestrate.target import Target, make_target
from devenv.orchestrate.telemetry.notes import notes
from devenv.orchestrate.telemetry.ports import beside_own_telemetry
from devenv.orchestrate.telemetry.routes import routes

if TYPE_CHECKING:
    from devenv.clock import Clock
    from devenv.contract.engine import Engine
    from devenv.model.identity import Project
    from devenv.model.stack import Stack
    from devenv.model.state import ObservedState
    from devenv.orchestrate.execution.executor import Results
    from devenv.orchestrate.instrumentation.decision import ServiceTracing
    from devenv.orchestrate.planning.graph import Plan
    from devenv.orchestrate.telemetry.routes import CollectorRoute

__all__ = ["ServiceResult", "UpOptions", "UpResult", "bring_up", "make_plan", "settle", "until_settled"]


@immutable(kw_only=True)
class UpOptions:
    """Options of ``up``.

    Attributes:
        services: those to bring up with what they need; empty: all, and what else the project has is removed.
        dependencies: also bring up what the services need; the trace backend is always brought up.
        build: build images even if they exist.
        no_build: refuse to build an image.
        pull: pull images even if they exist.
        force_recreate: replace the instances of the services, unchanged ones too.
        scale: number of instances by service, in place of that of the stack file.
        timeout: seconds from the first start until everything has to be ready; pulls and builds do not count.
        rollback: remove what this ``up`` created if a service fails.
        wait_for: services that have to be ready when ``up`` ends; empty: all. The others are started, and waited for as
            far as the start of another one needs it. The trace backend is always waited for.
        instrument: add to services what traces them, where they do not trace themselves.
        isolated: publish on a block of ports reserved for the directory instead of those of the stack file.
        persist: keep the traces on disk, as ``x-devenv.jaeger.storage: badger`` does.
    """

    services: tuple[str, ...] = ()
    dependencies: bool = True
    build: bool = False
    no_build: bool = False
    pull: bool = False
    force_recreate: bool = False
    scale: Mapping[str, int] = field(default_factory=dict)
    timeout: float = 120.0
    rollback: bool = False
    wait_for: tuple[str, ...] = ()
    instrument: bool = True
    isolated: bool = False
    persist: bool = False


@immutable(kw_only=True)
class UpResult:
    """Result of an ``up``.

    Attributes:
        services: by service, in the stack's order.
        plan: as it was carried out.
        observed: the state of the project at the end.
        results: of the plan's steps.
        tracing: who traces the services, by service.
        routes: ways of spans through collectors of the stack.
    """

    services: tuple[ServiceResult, ...]
    plan: Plan
    observed: ObservedState
    results: Results = field(repr=False)
    tracing: Mapping[str, ServiceTracing] = field(default_factory=dict, repr=False)
    routes: tuple[CollectorRoute, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether a service failed."""
        return any(item.failure is not None for item in self.services)

    @property
    def timed_out(self) -> bool:
        """Whether nothing failed otherwise, but not everything was ready in time."""
        failures = [item.failure for item in self.services if item.failure is not None]
        return bool(failures) and all(failure.timed_out for failure in failures)


@immutable(kw_only=True)
class _Survey:
    """Everything that a plan is made from.

    Attributes:
        ids: of the images that exist, by reference.
        awaited: services whose readiness is waited for; ``None``: of all.
    """

    target: Target
    observed: ObservedState
    tasks: tuple[ImageTask, ...]
    ids: Mapping[str, str | None]
    awaited: frozenset[str] | None = None

    @property
    def plan(self) -> Plan:
        """The plan while images are not pulled or built yet."""
        return self.plan_of(self.target)

    def plan_of(self, target: Target) -> Plan:
        """The plan that leads to ``target``."""
        plan = plan_up(target, self.observed, self.tasks)
        return plan if self.awaited is None else waiting_for(plan, self.awaited)


async def make_plan(engine: Engine, project: Project, stack: Stack, options: UpOptions, *, sink: Sink) -> Plan:
    """Return the plan that :func:`bring_up` would carry out; nothing is pulled, built, created or written.

    An instance whose image is still to be built or pulled shows as changed.

    Raises:
        ConfigurationError: If the stack asks for something impossible.
        EnvironmentFailure: If the engine is not available, or an image is missing.
    """
    survey = await _survey(engine, project, stack, options, sink=sink, remember=False)
    return survey.plan


async def bring_up(
    engine: Engine, project: Project, stack: Stack, options: UpOptions, *, clock: Clock, sink: Sink
) -> UpResult:
    """Bring the services up, and wait until they are ready or have failed.

    If it is killed or cancelled, another ``bring_up`` or ``take_down`` continues from the state that it left.

    Args:
        engine: runs the services.
        project: the project; the caller holds its lock.
        stack: as resolved from its files; tracing is added here.
        options: see :class:`UpOptions`.
        clock: bounds the wait.
        sink: gets the events.

    Raises:
        ConfigurationError: If the stack asks for something impossible.
        EnvironmentFailure: If an image or a port is not available, or the engine fails; see ``devenv.errors``.
    """
    survey = await _survey(engine, project, stack, options, sink=sink, remember=True)
    tracing = survey.target.tracing
    _warn_of_old_volumes(survey, sink)
    plan = survey.plan
    sink(Planned(services=survey.target.services, actions=len(plan.changes)))
    await check_free(engine, survey.target, plan, survey.observed, sink=sink)
    await check_names(engine, survey.target, plan, survey.observed)
    results: Results = {}
    try:
        if survey.tasks:
            await run_plan(engine, preparation(plan), results, clock=clock, sink=sink)
            ids = {**survey.ids, **image_ids_of(plan, _created(results))}
            tracing = await _tracing(engine, survey.target.stack, survey.target.services, project, options)
            target = survey.target.with_images(ids, tracing, engine.capabilities)
            plan = survey.plan_of(target)
        await run_plan(engine, plan, results, clock=clock, sink=sink, timeout=options.timeout, project=project)
    except DevenvError:
        if options.rollback:
            await _roll_back(engine, plan, results, clock=clock, sink=sink)
        raise
    # Nothing to observe if nothing was changed: the check at the end observes anyway.
    after = await engine.observe(project) if plan.changes else survey.observed
    services = results_of(survey.target.stack, survey.target.services, plan, results, after)
    for text in unchecked_dependencies(services):
        sink(Notice(message=text, warning=True))
    ways = routes(survey.target.stack, containers=not engine.capabilities.processes)
    ways = tuple(way for way in ways if after.of(way.collector))
    result = UpResult(services=services, plan=plan, observed=after, results=results, tracing=tracing, routes=ways)
    return await _rolled_back(engine, result, options, clock=clock, sink=sink)


async def until_settled(engine: Engine, project: Project, result: UpResult, *, clock: Clock) -> bool:
    """Wait until the services that have no probe have stayed up or have failed; return whether all of them are up."""
    return await until_steady(engine, project, result.services, result.observed, clock=clock)


async def settle(
    engine: Engine, project: Project, result: UpResult, options: UpOptions, *, clock: Clock, sink: Sink
) -> UpResult:
    """Observe the project once more, and return the result with a failure for each service that is not up by now.

    Args:
        engine: runs the services.
        project: as for :func:`bring_up`.
        result: of :func:`bring_up`, after :func:`until_settled`.
        options: as for :func:`bring_up`.
        clock: tells how long an instance has run.
        sink: gets the events.
    """
    if any(item.failure is not None for item in result.services) and options.rollback:
        return result
    observed = await engine.observe(project)
    services = await checked(engine, result.services, observed, clock=clock)
    for item in services:
        if item.failure is not None and item.failure not in {known.failure for known in result.services}:
            summary = f"{item.service.name} {item.failure.reason}"
            sink(ServiceFailed(service=item.service.name, instance=item.failure.index, summary=summary))
    result = replace(result, services=services, observed=observed)
    return await _rolled_back(engine, result, options, clock=clock, sink=sink)


async def _rolled_back(engine: Engine, result: UpResult, options: UpOptions, *, clock: Clock, sink: Sink) -> UpResult:
    """The result, after what it created was removed if a service failed and that is asked for."""
    if result.failed and options.rollback:
        await _roll_back(engine, result.plan, result.results, clock=clock, sink=sink)
    return result


async def _roll_back(engine: Engine, plan: Plan, results: Results, *, clock: Clock, sink: Sink) -> None:
    """Remove the instances and networks that ``plan`` created."""
    sink(Notice(message="rolling back: removing what this command created"))
    await run_plan(engine, plan_rollback(plan, _created(results)), {}, clock=clock, sink=sink)


def _created(results: Results) -> dict[int, str]:
    """The engine's IDs by the step that created the object."""
    return {number: result.object_id for number, result in results.items() if result.object_id}


def _warn_of_old_volumes(survey: _Survey, sink: Sink) -> None:
    """Volumes hold data: one whose definition changed is kept, with a warning."""
    wanted = {volume.name: volume.digest for volume in survey.target.volumes.values()}
    for volume in survey.observed.volumes:
        if wanted.get(volume.name, volume.config_hash) != volume.config_hash:
            text = f"volume {volume.name} was not recreated, although its definition changed"
            sink(Notice(message=f"{text}; to remove it, run `devenv down --volumes`", warning=True))


async def _survey(
    engine: Engine, project: Project, stack: Stack, options: UpOptions, *, sink: Sink, remember: bool
) -> _Survey:
    capabilities = engine.capabilities
    check_access(stack, capabilities.trace_backend)
    if options.persist:
        stack = with_traces_on_disk(stack)
    traced = instrument(scaled(stack, options.scale), backend=capabilities.trace_backend)
    for warning in traced.warnings[len(stack.warnings) :]:
        sink(Notice(message=f"{warning.location}: {warning.message}", warning=True))
    names = select(traced, options.services, dependencies=options.dependencies)
    awaited = _awaited(traced, names, options.wait_for)
    chosen = [traced.services[name] for name in names]
    check_instances(chosen)
    check_probes(chosen)
    for text in disabled_checks(chosen, traced.services):
        sink(Notice(message=text, warning=True))
    check_services(engine, chosen, traced)
    with_images = with_contexts_of(chosen, traced.services) if capabilities.images else ()
    observed, ids = await both(engine.observe(project), image_ids(engine, project, with_images))
    ages = await image_ages(engine, project, with_images)
    tasks = image_tasks(project, with_images, ids, build=options.build, pull=options.pull, ages=ages)
    if options.no_build:
        refuse_builds(tasks)
    whole = not options.services
    tracing = await _tracing(engine, traced, names, project, options)
    target = make_target(project, traced, names, whole=whole, ids=ids, capabilities=capabilities, tracing=tracing)
    if options.force_recreate:
        target = target.with_renewed(options.services or tuple(stack.services))
    if options.isolated:
        target = target.with_stack(allot(project, traced, remember=remember))
    else:
        moved, text = beside_own_telemetry(project, traced, remember=remember)
        target = target.with_stack(moved)
        if text:
            sink(Notice(message=text))
    for line in notes(target.stack, names, given=stack, containers=not capabilities.processes):
        sink(Notice(message=line))
    check_conflicts(target.stack, names)
    return _Survey(target=target, observed=observed, tasks=tasks, ids=MappingProxyType(ids), awaited=awaited)


async def _tracing(
    engine: Engine, stack: Stack, names: tuple[str, ...], project: Project, options: UpOptions
) -> dict[str, ServiceTracing]:
    """Who traces the services ``names``, by what is known of their images now."""
    services = [stack.services[name] for name in names]
    configs = await image_configs(engine, project, services) if engine.capabilities.images else {}
    beneath = inherited(os.environ) if engine.capabilities.processes else None
    return {
        service.name: decide(
            with_build_of_its_image(service, stack),
            configs.get(service.name),
            agents=AGENTS,
            inherited=beneath,
            enabled=options.instrument,
        )
        for service in services
    }


def _awaited(stack: Stack, names: tuple[str, ...], wanted: tuple[str, ...]) -> frozenset[str] | None:
    """The services to wait for: ``wanted`` of ``names``, and the trace backend; ``None`` for all."""
    if not wanted:
        return None
    check_known(wanted, stack.services)
    for name in wanted:
        if name not in names:
            raise UsageError(
                f"--wait-for {name}: this command does not start {name}",
                hint=f"name it too: devenv up {name}, or remove --wait-for {name}",
            )
    backend = stack.trace_backend
    return frozenset([*wanted, *([backend.name] if backend else [])])
