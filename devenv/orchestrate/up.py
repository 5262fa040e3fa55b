"""Bringing a project up: observe, plan, apply; and the plan alone, for ``--dry-run``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from devenv.errors import DevenvError
from devenv.events import Notice, Planned, Sink
from devenv.orchestrate import planner
from devenv.orchestrate.apply import Application
from devenv.orchestrate.concurrency import both, gather
from devenv.orchestrate.images import ImageTask, image_ids, image_tasks, prepare_images
from devenv.orchestrate.instrument import instrument
from devenv.orchestrate.ports import allot, check_free
from devenv.orchestrate.results import ServiceResult, results_of
from devenv.orchestrate.rollback import Made
from devenv.orchestrate.selection import check_instances, select
from devenv.orchestrate.specs import network_spec, volume_spec
from devenv.orchestrate.target import Target, make_target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devenv.clock import Clock
    from devenv.contract.engine import Engine
    from devenv.model.identity import Project
    from devenv.model.plan import Plan
    from devenv.model.stack import Stack
    from devenv.model.state import ObservedState

__all__ = ["ServiceResult", "UpOptions", "UpResult", "bring_up", "make_plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpOptions:
    """What is wanted of ``up``.

    Attributes:
        services: those to bring up with what they need; empty: all, and what else the project has is removed.
        build: build images even where they are there.
        timeout: seconds from the first start until everything has to be ready; pulls and builds do not count.
        rollback: remove what this ``up`` created if a service fails.
        isolated: publish on a block of ports that the directory keeps instead of those of the file.
    """

    services: tuple[str, ...] = ()
    build: bool = False
    timeout: float = 120.0
    rollback: bool = False
    isolated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UpResult:
    """What became of an ``up``; ``timed_out``: nothing failed, but not everything was ready in time."""

    services: tuple[ServiceResult, ...]
    plan: Plan
    timed_out: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Survey:
    """Everything that a plan is made from, and the images that it needs first."""

    target: Target
    observed: ObservedState
    tasks: tuple[ImageTask, ...]
    ids: Mapping[str, str | None]


async def make_plan(engine: Engine, project: Project, stack: Stack, options: UpOptions, *, sink: Sink) -> Plan:
    """What :func:`bring_up` would do now; nothing is pulled, built, created or written.

    An instance whose image is still to be built or pulled shows as changed.

    Raises:
        ConfigurationError: the stack asks for what cannot be.
        EnvironmentFailure: the engine is not there, or an image is missing.
    """
    survey = await _survey(engine, project, stack, options, sink=sink, remember=False)
    return planner.make(survey.target, survey.observed)


async def bring_up(
    engine: Engine, project: Project, stack: Stack, options: UpOptions, *, clock: Clock, sink: Sink
) -> UpResult:
    """Bring the services up, and wait until they are ready or never will be.

    Killed or cancelled at any point, it leaves what another ``bring_up`` or ``take_down`` takes on from.

    Args:
        engine: runs the services.
        project: whose state it is; the caller holds its lock.
        stack: as resolved from its files; tracing is added here.
        options: see :class:`UpOptions`.
        clock: bounds the wait.
        sink: gets the events.

    Raises:
        ConfigurationError: the stack asks for what cannot be.
        EnvironmentFailure: an image, a port, or the engine stands in the way; see the tree in ``devenv.errors``.
    """
    survey = await _survey(engine, project, stack, options, sink=sink, remember=True)
    _tell_old_volumes(survey, sink)
    first = planner.make(survey.target, survey.observed)
    sink(Planned(services=survey.target.services, actions=len(first.changes)))
    await check_free(engine, survey.target, first, survey.observed)
    made = Made(engine)
    try:
        target = await _prepare(engine, survey, first, made, sink=sink)
        plan = planner.make(target, survey.observed)
        application = Application(
            engine, target, plan, survey.observed, clock=clock, sink=sink, timeout=options.timeout
        )
        made.instances = application.created
        await application.run()
    except DevenvError:
        if options.rollback:
            await made.remove(sink)
        raise
    after = await engine.observe(project)
    services = results_of(target, plan, application.tracks, after)
    failures = [result.failure for result in services if result.failure is not None]
    if failures and options.rollback:
        await made.remove(sink)
    timed_out = bool(failures) and all(failure.timed_out for failure in failures)
    return UpResult(services=services, plan=plan, timed_out=timed_out)


def _tell_old_volumes(survey: _Survey, sink: Sink) -> None:
    """Volumes hold data: one whose definition changed is kept, and that is said."""
    wanted = {volume.name: volume.digest for volume in survey.target.volumes.values()}
    for volume in survey.observed.volumes:
        if wanted.get(volume.name, volume.config_hash) != volume.config_hash:
            text = f"volume {volume.name} is kept as it was made, though its definition changed"
            sink(Notice(message=f"{text}; devenv down --volumes removes it", warning=True))


async def _survey(
    engine: Engine, project: Project, stack: Stack, options: UpOptions, *, sink: Sink, remember: bool
) -> _Survey:
    traced = instrument(stack, project, backend=engine.capabilities.trace_backend)
    for warning in traced.warnings[len(stack.warnings) :]:
        sink(Notice(message=f"{warning.location}: {warning.message}", warning=True))
    names = select(traced, options.services)
    chosen = [traced.services[name] for name in names]
    check_instances(chosen)
    for service in chosen:
        engine.check(service, traced)
    with_images = chosen if engine.capabilities.images else []
    observed, ids = await both(engine.observe(project), image_ids(engine, project, with_images))
    tasks = image_tasks(project, with_images, ids, build=options.build)
    target = make_target(
        project,
        traced,
        names,
        whole=not options.services,
        ids=ids,
        capabilities=engine.capabilities,
        images=tuple(task.action for task in tasks),
    )
    if options.isolated:
        target = target.with_stack(allot(project, traced, remember=remember))
    return _Survey(target=target, observed=observed, tasks=tasks, ids=ids)


async def _prepare(engine: Engine, survey: _Survey, plan: Plan, made: Made, *, sink: Sink) -> Target:
    """Images, networks and volumes, all at once; the target with the ids of the images that came of it."""
    target = survey.target

    async def network(key: str) -> None:
        made.networks[await engine.create_network(network_spec(target, key))] = target.networks[key].name

    async def volume(key: str) -> None:
        await engine.create_volume(volume_spec(target, key))

    objects = [
        *(network(action.key) for action in plan.of_kind("create-network")),
        *(volume(action.key) for action in plan.of_kind("create-volume")),
    ]
    new, _ = await both(prepare_images(engine, target.project, survey.tasks, sink=sink), gather(*objects))
    return target.with_images({**survey.ids, **new}, engine.capabilities) if new else target
