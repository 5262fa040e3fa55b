"""``devenv up``: bring the stack up, wait until it is ready, and prove with a canary that traces flow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from devenv.app.engines import Choice, choose
from devenv.app.environment.descriptions import failure_documents, service_document
from devenv.app.environment.recorded_probes import probe_of
from devenv.app.environment.waiting_logs import shown_logs
from devenv.app.invocation import LoadedStack, read_stack
from devenv.app.record import Record, read_record, write_record
from devenv.app.traces.export_trouble import troubles
from devenv.app.traces.setups import span_names
from devenv.app.urls import Backend, entrypoint_url, trace_backend
from devenv.errors import NEGATIVE_VERDICT, TIMED_OUT
from devenv.events import Notice
from devenv.model.documents import (
    ActionDocument,
    CanaryDocument,
    PlanDocument,
    TraceBackendDocument,
    UpDocument,
)
from devenv.orchestrate.naming import entrypoint_of

if TYPE_CHECKING:
    from devenv.app.invocation import Invocation
    from devenv.clock import Clock
    from devenv.contract.capabilities import Capabilities
    from devenv.contract.engine import Engine
    from devenv.events import Sink
    from devenv.model.stack import Stack
    from devenv.model.state import ObservedState
    from devenv.orchestrate.up import UpOptions, UpResult


@dataclass(frozen=True, slots=True, kw_only=True)
class UpRequest:
    """What ``up`` is asked to do beyond the orchestration's own options.

    Attributes:
        show_logs: emit the output of services while they are waited for.
        lock_wait: seconds to wait for another command on the project.
    """

    options: UpOptions
    canary: bool = True
    show_logs: bool = False
    lock_wait: float = 60.0


async def prepare(invocation: Invocation, services: tuple[str, ...], sink: Sink) -> tuple[LoadedStack, Choice]:
    """Read the stack, choose the engine and say which and why."""
    loaded = read_stack(invocation, services)
    if loaded.notice:
        sink(Notice(message=loaded.notice))
    record = read_record(loaded.project.directory)
    recorded = record.engine if record else None
    choice = await choose(invocation, loaded.project, stack=loaded.stack, recorded=recorded)
    sink(Notice(message=f"engine {choice.reason}"))
    for warning in loaded.stack.warnings:
        sink(Notice(message=f"{warning.location}: {warning.message}", warning=True))
    return loaded, choice


async def plan(invocation: Invocation, options: UpOptions, *, sink: Sink) -> PlanDocument:
    """What ``up`` would do, without doing it."""
    from devenv.orchestrate.up import make_plan

    loaded, choice = await prepare(invocation, options.services, sink)
    try:
        made = await make_plan(choice.engine, loaded.project, loaded.stack, options, sink=sink)
    finally:
        await choice.engine.close()
    return PlanDocument(
        project=loaded.project.id,
        stack=loaded.label,
        engine=choice.engine.name,
        engine_reason=choice.reason,
        actions=[
            ActionDocument(action=action.kind, target=action.target, reason=action.reason) for action in made.actions
        ],
    )


async def up(invocation: Invocation, request: UpRequest, *, clock: Clock, sink: Sink) -> UpDocument:
    """Bring the stack up.

    A service that fails or a canary that is not complete is a negative verdict: the document says so. See
    :func:`verdict_code` for the exit code.

    Raises:
        DevenvError: If the stack file, the engine, an image or a port is at fault.
    """
    from devenv.orchestrate.lock import project_lock
    from devenv.orchestrate.up import bring_up

    started = clock.monotonic()
    loaded, choice = await prepare(invocation, request.options.services, sink)
    try:
        async with project_lock(loaded.project, "up", wait=request.lock_wait, clock=clock, sink=sink):
            _record(loaded, choice.engine, {})
            async with shown_logs(choice.engine, loaded.project, sink, wanted=request.show_logs) as watched:
                result = await bring_up(
                    choice.engine, loaded.project, loaded.stack, request.options, clock=clock, sink=watched
                )
            observed = await choice.engine.observe(loaded.project)
            backend = await trace_backend(choice.engine, observed, _backend_name(loaded.stack, observed))
            entry = entrypoint_url(observed, entrypoint_of(loaded.stack))
            capabilities = choice.engine.capabilities
            canary = await _canary(loaded.stack, capabilities, result, backend, entry, request, clock=clock, sink=sink)
            if canary.verdict not in {"complete", "skipped"}:
                names = span_names(loaded.stack)
                said = await troubles(choice.engine, observed, names, canary.missing, now=clock.now())
                canary = canary.model_copy(update={"said": said})
            ready = {item.service.name: item.ready_ms for item in result.services if item.ready_ms is not None}
            probes = {item.service.name: probe for item in result.services if (probe := probe_of(item.service))}
            _record(loaded, choice.engine, ready, canary, observed, probes, backend)
    finally:
        await choice.engine.close()
    return UpDocument(
        project=loaded.project.id,
        stack=loaded.label,
        engine=choice.engine.name,
        engine_reason=choice.reason,
        services=[
            service_document(
                item.service.name,
                item.instances,
                {instance.id: item.health for instance in item.instances},
                ready_ms=item.ready_ms,
                now=clock.now(),
            )
            for item in result.services
        ],
        trace_backend=backend_document(backend),
        entrypoint_url=entry,
        canary=canary,
        elapsed_ms=round((clock.monotonic() - started) * 1000, 1),
        failures=failure_documents(result.services),
        warnings=[f"{warning.location}: {warning.message}" for warning in loaded.stack.warnings],
        timed_out=result.timed_out,
    )


def verdict_code(document: UpDocument) -> int:
    """Exit code of a finished ``up``: 0 good, 1 unhealthy or untraced, 4 not ready in time."""
    if document.timed_out:
        return TIMED_OUT
    traced = document.canary.verdict in {"complete", "skipped"}
    return 0 if traced and not document.failures else NEGATIVE_VERDICT


def backend_document(backend: Backend | None) -> TraceBackendDocument | None:
    """The trace backend as the contract shows it."""
    if backend is None:
        return None
    return TraceBackendDocument(
        kind=backend.kind,
        ui_url=backend.query_url,
        query_url=backend.query_url,
        otlp_http_url=backend.otlp_http_url,
    )


def _backend_name(stack: Stack, observed: ObservedState) -> str | None:
    declared = stack.trace_backend
    if declared is not None:
        return declared.name
    from devenv.orchestrate.instrument import ADDED_BACKEND

    return ADDED_BACKEND if observed.of(ADDED_BACKEND) else None


async def _canary(
    stack: Stack,
    capabilities: Capabilities,
    result: UpResult,
    backend: Backend | None,
    entry: str | None,
    request: UpRequest,
    *,
    clock: Clock,
    sink: Sink,
) -> CanaryDocument:
    """Send the canary, or say why none is sent."""
    if reason := _why_no_canary(result, backend, entry, request):
        return CanaryDocument(verdict="skipped", cause=reason)
    from devenv.app.traces.canary import lean_sender, send_canary
    from devenv.app.traces.setups import tracing_setups
    from devenv.model.extension import Request
    from devenv.traces.client import TraceClient

    assert backend is not None  # noqa: S101 - _why_no_canary has seen to it; for the type checker
    assert entry is not None  # noqa: S101 - likewise
    wanted = stack.x.canary or Request()
    async with TraceClient(backend.query_url, sender=lean_sender) as client:
        return await send_canary(
            entrypoint_url=entry,
            request=wanted,
            expected_services=wanted.services,
            client=client,
            otlp_http_url=backend.otlp_http_url,
            clock=clock,
            sink=sink,
            setups=tracing_setups(stack, capabilities),
        )


def _why_no_canary(result: UpResult, backend: Backend | None, entry: str | None, request: UpRequest) -> str:
    if not request.canary:
        return "--no-canary"
    if result.timed_out or any(item.failure for item in result.services):
        return "not every service is ready"
    if backend is None:
        return "no trace backend is reached from here"
    if entry is None:
        return "x-devenv.entrypoint names no service, and not exactly one publishes a port"
    return ""


def _record(
    loaded: LoadedStack,
    engine: Engine,
    ready: dict[str, float],
    canary: CanaryDocument | None = None,
    observed: ObservedState | None = None,
    probes: dict[str, Any] | None = None,
    backend: Backend | None = None,
) -> None:
    """Write the record: before anything starts, so that ``down`` knows the engine, and again with what was learnt."""
    write_record(
        loaded.project.directory,
        Record(
            id=loaded.project.id,
            name=loaded.project.name,
            stack=loaded.label,
            engine=engine.name,
            entrypoint=entrypoint_of(loaded.stack),
            trace_backend=_backend_name(loaded.stack, observed) if observed else None,
            expected_services=tuple(sorted(canary.services)) if canary else (),
            probes=probes,
            otlp_http_url=backend.otlp_http_url if backend else None,
            ready_ms={**_known_ready(loaded), **ready} or None,
        ),
    )


def _known_ready(loaded: LoadedStack) -> dict[str, float]:
    """Times to ready of what an earlier ``up`` started and this one left running."""
    record = read_record(loaded.project.directory)
    return (record.ready_ms or {}) if record and record.id == loaded.project.id else {}
