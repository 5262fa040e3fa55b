"""``devenv traces``: search the trace backend, show its traces as they arrive, and show one as a waterfall."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from devenv.app.session import running
from devenv.app.urls import require_backend
from devenv.errors import BackendUnavailable, NotUp, UnknownName, UsageError
from devenv.model.listings import TraceDocument, TracesDocument, TraceSummaryPart
from devenv.model.span import NS_PER_MS, SpanKind
from devenv.model.trace import OWN_SERVICE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from devenv.analysis.waterfall import Row, Waterfall
    from devenv.app.invocation import Invocation
    from devenv.app.urls import BackendAddress
    from devenv.clock import Clock
    from devenv.model.trace import Trace, TraceSummary
    from devenv.traces.query import Query
    from devenv.traces.source import TraceSource
    from devenv.traces.tail import Arrived

_KINDS = {kind: kind.name.lower() for kind in SpanKind}

LARGE_TRACE_TIMEOUT = 60.0
"""Seconds: a trace of 80,000 spans is a response of 40 MB."""


TAIL_INTERVAL = 1.0
"""Seconds between two looks at the backend."""

TAIL_WINDOW = 5.0
"""Seconds for which a trace's spans are waited for after its start."""

TAIL_LIMIT = 500
"""Traces of one look. Some versions of Jaeger return all of their spans."""

TAIL_SHOWN = 50
"""Traces of one look that are shown: more than a person reads in a second."""


async def search(invocation: Invocation, query: Query) -> TracesDocument:
    """Traces that match, newest first.

    Raises:
        NotUp: If the project is not running.
        BackendUnavailable: If its trace backend does not respond.
        UsageError: If the filter asks for what the trace backend does not return.
    """
    from devenv.traces.client import TraceClient
    from devenv.traces.filters.expression import FilterError

    backend = await running_backend(invocation)
    # A backend that does not know filters returns hundreds of traces to filter.
    timeout = 10.0 if query.where is None else LARGE_TRACE_TIMEOUT
    async with TraceClient(backend.query_url, token=backend.token, timeout=timeout) as client:
        try:
            found = await client.select(query)
        except FilterError as error:
            raise UsageError(f"filter: {error}", hint=error.hint) from error
        rows = await _with_entries(found.traces, client)
        return traces_document(rows, client, looked_at=found.looked_at, older_left_out=found.more)


async def tail(
    invocation: Invocation, query: Query, warn: Callable[[str], None], *, clock: Clock
) -> AsyncIterator[tuple[Arrived, TraceSource]]:
    """Yield the traces that match and begin from now on, until cancelled or until the project is removed.

    Args:
        invocation: the global options.
        query: the criteria; its times and its limit are not used.
        warn: called with the reason while the trace backend does not respond.
        clock: paces the looks.

    Raises:
        NotUp: If the project is not running.
        BackendUnavailable: If it has no trace backend.
        UsageError: If the filter asks for what the trace backend does not return.
    """
    from devenv.traces.client import TraceClient
    from devenv.traces.filters.expression import FilterError
    from devenv.traces.tail import Tail

    backend = await running_backend(invocation)
    begin_ns = int(clock.now() * 1e9)
    arriving = Tail(start_ns=begin_ns, most=TAIL_SHOWN, limit=TAIL_LIMIT)
    silent = False
    async with TraceClient(backend.query_url, token=backend.token, timeout=LARGE_TRACE_TIMEOUT) as client:
        while True:
            now_ns = int(clock.now() * 1e9)
            start_ns = max(begin_ns, now_ns - int(TAIL_WINDOW * 1e9))
            try:
                found = await client.select(replace(query, start_ns=start_ns, end_ns=now_ns + 1, limit=TAIL_LIMIT))
                arrived = arriving.take(found.traces)
                arrived = replace(arrived, traces=tuple(await _with_entries(arrived.traces, client)))
            except FilterError as error:
                raise UsageError(f"filter: {error}", hint=error.hint) from error
            except BackendUnavailable as error:
                if await _is_removed(invocation):
                    return
                if not silent:
                    warn(f"no traces are shown until it answers: {error.message}")
                silent = True
            else:
                silent = False
                yield arrived, client
            await clock.sleep(TAIL_INTERVAL)


async def _with_entries(rows: Sequence[TraceSummary], source: TraceSource) -> list[TraceSummary]:
    """The same with where devenv's own requests entered the system, which a summary of Jaeger's does not say."""
    from devenv.analysis.summary import summarize

    unknown = [row.trace_id for row in rows if row.root_service == OWN_SERVICE and not row.entry_service]
    if not unknown:
        return list(rows)
    whole = await source.traces(unknown)
    return [summarize(whole[row.trace_id]) if row.trace_id in whole else row for row in rows]


async def _is_removed(invocation: Invocation) -> bool:
    try:
        async with running(invocation):
            return False
    except NotUp:
        return True


async def show(invocation: Invocation, trace_id: str) -> Waterfall:
    """One trace, its spans in the order of the waterfall.

    Raises:
        UsageError: If the ID is not a trace ID.
        UnknownName: If the backend does not have it.
    """
    from devenv.traces.background import in_background
    from devenv.traces.client import TraceClient

    require_trace_id(trace_id)
    backend = await running_backend(invocation)
    async with TraceClient(backend.query_url, token=backend.token, timeout=LARGE_TRACE_TIMEOUT) as client:
        trace = await client.trace(trace_id)
        if trace is None:
            raise UnknownName(
                f"trace {trace_id} not found in the trace backend",
                hint="it may not have arrived yet or was evicted; list traces with `devenv traces search`",
            )
        return await in_background(lambda: shown_trace(trace, client))


async def running_backend(invocation: Invocation) -> BackendAddress:
    """The trace backend of the running project; the engine is not held while its traces are read.

    Raises:
        NotUp: If the project is not running.
        BackendUnavailable: If it has no trace backend.
    """
    async with running(invocation) as project:
        return await require_backend(project)


def require_trace_id(text: str) -> None:
    """Check that a text can be a trace ID.

    Raises:
        UsageError: If it cannot; the backend is not asked.
    """
    from devenv.traces.ids import parse_trace_id

    try:
        parse_trace_id(text)
    except ValueError as error:
        raise UsageError(
            f"trace ID: found {text!r}, expected 1 to 32 hexadecimal digits",
            hint="list traces with `devenv traces search`",
        ) from error


def traces_document(
    found: Sequence[TraceSummary], source: TraceSource, *, looked_at: int | None = None, older_left_out: bool = False
) -> TracesDocument:
    """The document of a search's results, in their order."""
    return TracesDocument(
        traces=[summary_part(row, source) for row in found],
        looked_at=looked_at,
        older_left_out=older_left_out,
    )


def summary_part(row: TraceSummary, source: TraceSource) -> TraceSummaryPart:
    """One trace of a search's results."""
    start = datetime.fromtimestamp(row.start_ns / 1e9, UTC)
    return TraceSummaryPart(
        trace_id=row.trace_id,
        root_service=row.root_service,
        root_operation=row.root_operation,
        entry_service=row.entry_service,
        entry_operation=row.entry_operation,
        start=start.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        duration_ms=round(row.duration_ns / NS_PER_MS, 3),
        spans=row.spans,
        errors=row.errors,
        orphans=row.orphans,
        services=sorted(name for name, _, _ in row.services),
        ui_url=source.ui.trace(row.trace_id),
    )


def shown_trace(trace: Trace, source: TraceSource) -> Waterfall:
    """The rows of one trace, with its address in the backend's UI."""
    from devenv.analysis.waterfall import Waterfall, waterfall

    return Waterfall(
        trace_id=trace.trace_id,
        duration_ns=trace.end_ns - trace.start_ns,
        services=trace.services,
        rows=waterfall(trace),
        ui_url=source.ui.trace(trace.trace_id),
    )


def trace_document(shown: Waterfall) -> TraceDocument:
    """The document of one trace: its spans in the order of the waterfall."""
    # All of it is validated at once: for span after span it takes three times as long.
    return TraceDocument.model_validate(
        {
            "trace_id": shown.trace_id,
            "duration_ms": round(shown.duration_ns / NS_PER_MS, 3),
            "services": list(shown.services),
            "spans": [_span_fields(row) for row in shown.rows],
            "ui_url": shown.ui_url,
        }
    )


def _span_fields(row: Row) -> dict[str, Any]:
    span = row.span
    return {
        "span_id": span.span_id,
        "parent_id": span.parent_id,
        "service": span.service,
        "operation": span.name,
        "kind": _KINDS[span.kind],
        "depth": row.depth,
        "offset_ms": round(row.offset_ns / NS_PER_MS, 3),
        "duration_ms": round(span.duration_ns / NS_PER_MS, 3),
        "error": span.is_error,
        "on_critical_path": row.on_critical_path,
        "marks": row.marks,
        "attributes": span.attributes,
    }
