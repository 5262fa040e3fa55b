"""``devenv up``: start the stack, wait until it is ready, and verify tracing with a canary request."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from devenv.app.derived_processes import with_derived_processes
from devenv.app.engines import Choice, choose, connect
from devenv.app.environment.canary_step import (
    GOOD_VERDICTS,
    NOT_READY,
    canary_route,
    run_canary,
    spans_in,
    with_canary_path,
)
from devenv.app.environment.collector_routes import recorded_routes, route_documents
from devenv.app.environment.descriptions import (
    backend_document,
    failure_documents,
    plan_document,
    service_document,
    tracing_document,
)
from devenv.app.environment.recorded_probes import probe_of
from devenv.app.environment.recorded_spans import silent_after, with_spans
from devenv.app.environment.waiting_logs import shown_logs
from devenv.app.invocation import LoadedStack, read_stack_in_background
from devenv.app.record import Record, forget_record, read_record, write_record
from devenv.app.traces.setup_warnings import with_setup_warnings
from devenv.app.urls import BackendAddress, entrypoint_url, trace_backend
from devenv.errors import NEGATIVE_VERDICT, TIMED_OUT, DevenvError, EngineUnavailable, EnvironmentFailure
from devenv.events import Notice
from devenv.immutable import immutable
from devenv.model.documents import CanaryDocument, PlanDocument, UpDocument
from devenv.model.state import Health
from devenv.orchestrate.naming import entry_candidates, entrypoint_of

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from devenv.app.invocation import Invocation
    from devenv.clock import Clock
    from devenv.contract.engine import Engine
    from devenv.events import Sink
    from devenv.model.identity import Project
    from devenv.model.stack import Stack
    from devenv.model.state import ObservedState
    from devenv.orchestrate.up import UpOptions, UpResult


@immutable(kw_only=True)
class UpRequest:
    """What ``up`` is asked to do beyond the orchestration's options.

    Attributes:
        canary: send the canary request.
        path: of the canary request; ``None``: as the stack file has it.
        show_logs: emit the output of services while they are waited for.
        lock_wait: seconds to wait for another command on the project.
    """

    options: UpOptions
    canary: bool = True
    path: str | None = None
    show_logs: bool = False
    lock_wait: float = 60.0


async def prepare(invocation: Invocation, services: tuple[str, ...], sink: Sink) -> tuple[LoadedStack, Choice]:
    """Read the stack, choose the engine, and report which one and why."""
    loaded = await read_stack_in_background(invocation, services)
    if loaded.notice:
        sink(Notice(message=loaded.notice))
    recorded = await _recorded_engine(invocation, loaded)
    choice = await choose(invocation, loaded.project, stack=loaded.stack, recorded=recorded)
    sink(Notice(message=f"engine {choice.reason}"))
    try:
        loaded = with_derived_processes(loaded, choice.engine.capabilities, invocation.environ, services, sink)
    except BaseException:
        await choice.engine.close()
        raise
    loaded = with_setup_warnings(loaded, choice.engine.capabilities)
    for warning in loaded.stack.warnings:
        sink(Notice(message=f"{warning.location}: {warning.message}", warning=True))
    return loaded, choice


async def _recorded_engine(invocation: Invocation, loaded: LoadedStack) -> str | None:
    """The engine that the project runs on by its record.

    If another one is asked for, it is that one only if something of the project exists there: an ``up`` that was killed
    before it created anything leaves its record.
    """
    directory = loaded.project.directory
    record = read_record(directory)
    if record is None or invocation.engine in {"auto", record.engine}:
        return record.engine if record else None
    project = record.project(directory)
    try:
        engine = await connect(record.engine, project, invocation.environ)
    except EngineUnavailable:
        return record.engine
    try:
        return record.engine if (await engine.observe(project)).all_labels else None
    finally:
        await engine.close()


async def plan(invocation: Invocation, options: UpOptions, *, sink: Sink) -> PlanDocument:
    """Return what ``up`` would do, without doing it."""
    from devenv.orchestrate.up import make_plan

    loaded, choice = await prepare(invocation, options.services, sink)
    try:
        made = await make_plan(choice.engine, loaded.project, loaded.stack, options, sink=sink)
    finally:
        await choice.engine.close()
    return plan_document(
        made, project=loaded.project, stack=loaded.label, engine=choice.engine.name, engine_reason=choice.reason
    )


async def up(invocation: Invocation, request: UpRequest, *, clock: Clock, sink: Sink) -> UpDocument:
    """Bring the stack up.

    A service that fails or a canary that is not complete is a negative verdict in the document. See
    :func:`verdict_code` for the exit code.

    Raises:
        DevenvError: If the stack file, the engine, an image or a port is at fault.
    """
    from devenv.orchestrate.lock import project_lock
    from devenv.orchestrate.up import bring_up, settle

    started = clock.monotonic()
    loaded, choice = await prepare(invocation, request.options.services, sink)
    if request.path is not None:
        loaded = replace(loaded, stack=with_canary_path(loaded.stack, request.path))
    engine = choice.engine
    try:
        async with project_lock(loaded.project, "up", wait=request.lock_wait, clock=clock, sink=sink):
            record = _record_engine(loaded, engine)
            async with shown_logs(engine, loaded.project, sink, wanted=request.show_logs) as watched:
                try:
                    result = await bring_up(
                        engine, loaded.project, loaded.stack, request.options, clock=clock, sink=watched
                    )
                except DevenvError:
                    await _forget_if_nothing_exists(loaded, engine)
                    raise
            backend_name = _backend_name(loaded.stack, result.observed)
            backend = await trace_backend(engine, result.observed, backend_name)
            entry = entrypoint_url(result.observed, record.entrypoint)
            route = canary_route(
                wanted=request.canary,
                ready=not result.failed,
                awaited=all(
                    item.health is not Health.STARTING
                    for item in result.services
                    if item.service.name == entrypoint_of(loaded.stack)
                ),
                backend=backend,
                entrypoint_url=entry,
                entrypoint=entrypoint_of(loaded.stack),
                candidates=_candidates(loaded.stack),
            )
            added = tuple(name for name, tracing in result.tracing.items() if tracing.by == "devenv")
            sending = run_canary(route, loaded.stack, engine, result.observed, clock=clock, sink=sink, added=added)
            canary = await _while_settling(engine, loaded.project, result, sending, clock=clock)
            result = await settle(engine, loaded.project, result, request.options, clock=clock, sink=sink)
            record = replace(record, trace_backend=backend_name)
            record = replace(record, routes=recorded_routes(result.routes) or None)
            record = with_spans(record, loaded.stack, canary, result.observed)
            write_record(loaded.project.directory, _with_result(record, result, canary, backend))
    finally:
        await engine.close()
    return UpDocument(
        project=loaded.project.id,
        stack=loaded.label,
        engine=engine.name,
        engine_reason=choice.reason,
        services=[
            service_document(
                item.service.name,
                item.instances,
                {instance.id: item.health for instance in item.instances},
                ready_ms=item.ready_ms,
                now=clock.now(),
                tracing=tracing_document(result.tracing.get(item.service.name), spans_in(canary, item.service)),
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
        collectors=route_documents(record.routes, record.traced, silent_after(record, canary)),
    )


async def _while_settling(
    engine: Engine,
    project: Project,
    result: UpResult,
    sending: Coroutine[Any, Any, CanaryDocument],
    *,
    clock: Clock,
) -> CanaryDocument:
    """The canary's verdict; it is sent while services without a probe have to stay up, and given up if one does not."""
    from devenv.orchestrate.up import until_settled

    canary = asyncio.create_task(sending)
    try:
        if await until_settled(engine, project, result, clock=clock) or canary.done():
            return await canary
        return CanaryDocument(verdict="skipped", cause=NOT_READY)
    finally:
        canary.cancel()
        await asyncio.wait([canary])


def verdict_code(document: UpDocument) -> int:
    """Return the exit code of a finished ``up``: 0 good, 1 unhealthy or untraced, 4 not ready in time."""
    if document.timed_out:
        return TIMED_OUT
    traced = document.canary.verdict in GOOD_VERDICTS
    return 0 if traced and not document.failures else NEGATIVE_VERDICT


def _candidates(stack: Stack) -> tuple[str, ...]:
    """The services that could be the entry point, if there are several and the file does not say which one it is."""
    candidates = entry_candidates(stack)
    return candidates if stack.x.entrypoint is None and len(candidates) > 1 else ()


def _backend_name(stack: Stack, observed: ObservedState) -> str | None:
    declared = stack.trace_backend
    if declared is not None:
        return declared.name
    from devenv.orchestrate.instrument import ADDED_BACKEND

    return ADDED_BACKEND if observed.of(ADDED_BACKEND) else None


def _record_engine(loaded: LoadedStack, engine: Engine) -> Record:
    """Return the record of this ``up``, so far with what is known before anything starts.

    If the record on disk does not name this project and engine, it is written at once: ``down`` has to find the engine
    also if this ``up`` is killed.
    """
    known = read_record(loaded.project.directory)
    record = Record(
        id=loaded.project.id,
        name=loaded.project.name,
        stack=loaded.label,
        engine=engine.name,
        entrypoint=entrypoint_of(loaded.stack),
        ready_ms=known.ready_ms if known and known.id == loaded.project.id else None,
    )
    if known is None or (known.id, known.engine) != (record.id, record.engine):
        write_record(loaded.project.directory, record)
    return record


async def _forget_if_nothing_exists(loaded: LoadedStack, engine: Engine) -> None:
    """Remove the record of an ``up`` that failed before it created anything: the record says what exists."""
    try:
        exists = bool((await engine.observe(loaded.project)).all_labels)
    except EnvironmentFailure:  # the engine is lost: what exists there is unknown, and `down` has to find it
        return
    if not exists:
        forget_record(loaded.project.directory)


def _with_result(record: Record, result: UpResult, canary: CanaryDocument, backend: BackendAddress | None) -> Record:
    """Return ``record`` with the results; times to ready of services that were left running are kept."""
    ready = {item.service.name: item.ready_ms for item in result.services if item.ready_ms is not None}
    return replace(
        record,
        expected_services=tuple(sorted({*canary.services, *canary.missing})),
        ready_ms={**(record.ready_ms or {}), **ready} or None,
        probes={item.service.name: probe for item in result.services if (probe := probe_of(item.service))},
        otlp_http_url=backend.otlp_http_url if backend else None,
    )
