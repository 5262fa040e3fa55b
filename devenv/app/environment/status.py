"""``devenv status``: the current state, from the engine and from each service's own probe."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from devenv.app.engines import other_name
from devenv.app.environment.collector_routes import route_documents
from devenv.app.environment.descriptions import backend_document, service_document
from devenv.app.environment.recorded_probes import services_with_probes
from devenv.app.environment.recorded_spans import still_silent
from devenv.app.record import STATE
from devenv.app.session import Running, running
from devenv.app.urls import entrypoint_url, trace_backend
from devenv.errors import NEGATIVE_VERDICT, DevenvError
from devenv.health.restarts import as_shown
from devenv.model.documents import ServiceDocument, StatusDocument
from devenv.model.state import Health, ObservedInstance, State

if TYPE_CHECKING:
    from devenv.app.invocation import Invocation
    from devenv.clock import Clock
    from devenv.model.stack import Service
    from devenv.model.state import Usage


DAEMON = "daemon.json"
ELSEWHERE_TIMEOUT = 0.5
"""Seconds to look for the project on the engine that its record does not name."""


async def status(
    invocation: Invocation, *, clock: Clock, usage: bool = True, spans: bool = True, elsewhere: bool = True
) -> StatusDocument:
    """State, health, ports, uptime, restarts and resource use of each service, and the services without spans.

    Args:
        invocation: the global options.
        clock: tells the time.
        usage: measure the use of CPU and memory.
        spans: ask the trace backend about services that had sent no span when ``up`` ended, or were started since.
        elsewhere: look for the project on the other engine.

    Raises:
        NotUp: If the project is not running.
    """
    async with running(invocation) as project:
        now = clock.now()
        instances = tuple(as_shown(instance, now) for instance in project.observed.instances)
        healths, samples, also_on = await asyncio.gather(
            _healths(invocation, project, instances),
            _samples(project, instances if usage else ()),
            _elsewhere(invocation, project, wanted=elsewhere),
        )
        backend = await trace_backend(project.engine, project.observed, project.record.trace_backend)
        quiet = await still_silent(project, backend, now=now) if spans else []
        entry = entrypoint_url(project.observed, project.record.entrypoint)
        services = [
            service_document(
                name,
                [instance for instance in instances if instance.service == name],
                healths,
                ready_ms=(project.record.ready_ms or {}).get(name),
                now=now,
                usage=samples,
            )
            for name in sorted({instance.service for instance in instances})
        ]
    return StatusDocument(
        project=project.project.id,
        stack=project.record.stack,
        engine=project.engine.name,
        services=services,
        trace_backend=backend_document(backend),
        entrypoint_url=entry,
        no_spans_yet=quiet,
        also_on=also_on,
        collectors=route_documents(
            project.record.routes, project.record.traced, quiet if spans and backend is not None else None
        ),
    )


async def _elsewhere(invocation: Invocation, project: Running, *, wanted: bool = True) -> list[str]:
    """Names of the other engines on which the project of this directory runs: `up` ran while one did not respond.

    An engine that takes longer than :data:`ELSEWHERE_TIMEOUT` counts as none, and so does what was not asked for.
    Processes have left a file here, so that their engine is not imported in vain.
    """
    containers = not project.engine.capabilities.processes
    if (
        not wanted
        or invocation.engine != "auto"
        or (containers and not (invocation.directory / STATE / DAEMON).exists())
    ):
        return []
    try:
        async with asyncio.timeout(ELSEWHERE_TIMEOUT):
            name = await other_name(project.engine, project.project, invocation.environ)
    except TimeoutError:
        return []
    return [name] if name else []


def verdict_code(document: StatusDocument) -> int:
    """Exit code: 1 if a service is down or unhealthy, else 0."""
    good = not document.failures and all(is_good(service) for service in document.services)
    return 0 if good else NEGATIVE_VERDICT


def is_good(service: ServiceDocument) -> bool:
    """Return whether a service is up, or has completed."""
    return service.health == Health.COMPLETED or (
        service.state == State.RUNNING and service.health in {Health.HEALTHY, Health.NONE}
    )


async def _healths(
    invocation: Invocation, project: Running, instances: tuple[ObservedInstance, ...]
) -> dict[str, Health]:
    """Health of each instance: by devenv's own probe if one is known, else as the engine reports it."""
    services = await _probed(invocation, project)
    found = await asyncio.gather(
        *(_health(project, instance, services.get(instance.service)) for instance in instances)
    )
    return {instance.id: health for instance, health in zip(instances, found, strict=True)}


async def _probed(invocation: Invocation, project: Running) -> dict[str, Service]:
    """Services with their probes: as ``up`` recorded them, else from the stack file if it can be read."""
    if project.record.probes is not None:
        return services_with_probes(project.record.probes)
    from devenv.app.invocation import read_stack_in_background

    try:
        return dict((await read_stack_in_background(invocation)).stack.services)
    except DevenvError:
        return {}


async def _health(project: Running, instance: ObservedInstance, service: Service | None) -> Health:
    probed = service is not None and service.x.ready is not None and service.x.ready.has_probe
    if instance.state is State.EXITED and instance.exit_code == 0 and not probed and instance.engine_health is None:
        return Health.COMPLETED
    if instance.state is not State.RUNNING:  # as `up` judges it: a service with a probe is not to end
        return Health.UNHEALTHY
    if service is not None and probed:
        from devenv.health.waiter import check_once

        return await check_once(project.engine, instance.id, service, image_healthcheck=())
    return Health.NONE if instance.engine_health is None else Health(instance.engine_health)


async def _samples(project: Running, instances: tuple[ObservedInstance, ...]) -> dict[str, Usage | None]:
    """Resource use of all instances, measured at the same time."""
    found = await asyncio.gather(*(project.engine.usage(instance.id) for instance in instances))
    return {instance.id: usage for instance, usage in zip(instances, found, strict=True)}
