"""Describes services as documents, from their observed state and the results of ``up``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.app.urls import url_of
from devenv.model.documents import (
    ActionDocument,
    ConditionDocument,
    FailureDocument,
    InstanceDocument,
    PlanDocument,
    PortDocument,
    ServiceDocument,
    ServiceTracingDocument,
    StepDocument,
    TraceBackendDocument,
)
from devenv.model.state import Health, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from devenv.app.urls import BackendAddress
    from devenv.model.identity import Project
    from devenv.model.state import ObservedInstance, Usage
    from devenv.orchestrate.instrumentation.decision import ServiceTracing
    from devenv.orchestrate.planning.graph import Plan, Step
    from devenv.orchestrate.up import ServiceResult

_WORST_FIRST = (
    State.DEAD,
    State.MISSING,
    State.EXITED,
    State.RESTARTING,
    State.CREATED,
    State.PAUSED,
    State.RUNNING,
)
_HEALTH_WORST_FIRST = (Health.UNHEALTHY, Health.STARTING, Health.NONE, Health.HEALTHY, Health.COMPLETED)


def service_document(
    name: str,
    instances: Sequence[ObservedInstance],
    healths: Mapping[str, Health],
    *,
    ready_ms: float | None,
    now: float,
    usage: Mapping[str, Usage | None] | None = None,
    tracing: ServiceTracingDocument | None = None,
) -> ServiceDocument:
    """Describe a service: the worst state and health of its instances, and the sum of their resource use.

    Args:
        name: of the service.
        instances: as observed, by index.
        healths: by instance ID.
        ready_ms: of the last start, if known.
        now: seconds since the epoch, for the uptime.
        usage: by instance ID.
        tracing: who traces it.
    """
    rows = [_instance(instance, healths, now, (usage or {}).get(instance.id)) for instance in instances]
    states = [instance.state for instance in instances]
    found = [healths.get(instance.id, Health.NONE) for instance in instances]
    uptimes = [row.uptime_s for row in rows if row.uptime_s is not None]
    cpu = [row.cpu_percent for row in rows if row.cpu_percent is not None]
    memory = [row.memory_bytes for row in rows if row.memory_bytes is not None]
    return ServiceDocument(
        name=name,
        state=min(states, key=_WORST_FIRST.index, default=State.MISSING),
        health=min(found, key=_HEALTH_WORST_FIRST.index, default=Health.NONE),
        ready_ms=None if ready_ms is None else round(ready_ms, 1),
        ports=_ports(instances),
        instances=rows,
        uptime_s=min(uptimes, default=None),
        restarts=sum(row.restarts for row in rows),
        cpu_percent=round(sum(cpu), 1) if cpu else None,
        memory_bytes=sum(memory) if memory else None,
        tracing=tracing,
    )


def tracing_document(tracing: ServiceTracing | None, spans: int | None = None) -> ServiceTracingDocument | None:
    """Return who traces a service, as the JSON contract shows it."""
    if tracing is None:
        return None
    return ServiceTracingDocument(by=tracing.by, language=tracing.language, spans=spans, note=tracing.note)


def _ports(instances: Iterable[ObservedInstance]) -> list[PortDocument]:
    """Published ports without duplicates: an engine lists one for IPv4 and one for IPv6."""
    found = {
        (port.host, port.container): PortDocument(
            host=port.host, container=port.container, address=port.address, url=url_of(port)
        )
        for instance in instances
        for port in sorted(instance.ports, key=lambda port: ":" not in port.address)
        if port.host
    }
    return [found[key] for key in sorted(found)]


def _instance(
    instance: ObservedInstance, healths: Mapping[str, Health], now: float, usage: Usage | None
) -> InstanceDocument:
    runs = instance.state is State.RUNNING and instance.started_at is not None
    return InstanceDocument(
        id=instance.id,
        index=instance.index,
        state=instance.state,
        health=healths.get(instance.id, Health.NONE),
        restarts=instance.restarts,
        exit_code=instance.exit_code,
        uptime_s=round(now - (instance.started_at or now), 1) if runs else None,
        cpu_percent=usage.cpu_percent if usage else None,
        memory_bytes=usage.memory_bytes if usage else None,
    )


def backend_document(backend: BackendAddress | None) -> TraceBackendDocument | None:
    """Return the trace backend as the JSON contract shows it."""
    if backend is None:
        return None
    return TraceBackendDocument(
        kind=backend.kind,
        ui_url=backend.query_url,
        query_url=backend.query_url,
        otlp_http_url=backend.otlp_http_url,
        access="token" if backend.token else "open",
        storage=backend.storage,
        storage_notices=list(backend.storage_notices),
    )


def failure_documents(results: Iterable[ServiceResult]) -> list[FailureDocument]:
    """The failure block of each service that has one."""
    return [
        FailureDocument(
            service=result.service.name,
            reason=result.failure.reason,
            probe=result.failure.probe,
            last_answer=result.failure.last_answer,
            exit_code=result.failure.exit_code,
            oom_killed=result.failure.oom_killed,
            log_tail=list(result.failure.log_tail),
            waited_for_by=list(result.waited_for_by),
        )
        for result in results
        if result.failure is not None
    ]


def plan_document(plan: Plan, *, project: Project, stack: str, engine: str, engine_reason: str) -> PlanDocument:
    """Return a plan as the JSON contract shows it.

    Args:
        plan: actions and steps.
        project: the project.
        stack: label of the stack.
        engine: name of the engine.
        engine_reason: why this engine was chosen.
    """
    return PlanDocument(
        project=project.id,
        stack=stack,
        engine=engine,
        engine_reason=engine_reason,
        actions=[
            ActionDocument(action=action.kind, target=action.target, reason=action.reason) for action in plan.actions
        ],
        steps=[_step(step) for step in plan.steps],
    )


def _step(step: Step) -> StepDocument:
    return StepDocument(
        id=step.id,
        call=step.call.verb,
        action=step.action.kind,
        target=step.action.target,
        service=step.action.service,
        after=list(step.after),
        follows=list(step.follows),
        waits_for=[
            ConditionDocument(
                service=gate.service, condition=gate.condition, required=gate.required, steps=list(gate.steps)
            )
            for gate in step.gates
        ],
    )
