"""What services send about what happened in them: log records and the events of spans, as lines."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from devenv.app.traces.lookup import LARGE_TRACE_TIMEOUT
from devenv.app.urls import require_backend
from devenv.errors import BackendUnavailable
from devenv.immutable import immutable
from devenv.model.log import ServiceLine
from devenv.model.severity import level_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from devenv.app.session import Running
    from devenv.model.log import LogRecord
    from devenv.model.span import Span, SpanEvent
    from devenv.traces.client import TraceClient
    from devenv.traces.logs.source import LogQuery

_TRACES = 10
"""Traces that are asked for if a part of an ID is given."""
_NS = 1e9


@immutable(kw_only=True)
class SentQuery:
    """What is asked of the trace backend.

    Attributes:
        traces: whole IDs; empty: the log records of all traces and of none, without the events of spans.
        services: names of services; empty: all.
        since: seconds since the epoch.
        severity: the least number.
        tail: number of records from the end, of each service.
        arrived_before: see :class:`~devenv.traces.logs.source.LogQuery`.
    """

    traces: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    since: float | None = None
    severity: int = 0
    tail: int | None = None
    arrived_before: int | None = None


def has_log_records(project: Running) -> bool:
    """Return whether the trace backend stores log records: Jaeger takes traces only."""
    return project.record.trace_backend is not None and project.engine.capabilities.trace_backend == "embedded"


def log_query(
    query: SentQuery, *, arrived_from: int = 0, arrived_before: int | None = None, before: str = ""
) -> LogQuery:
    """Return the question for the records of all services, or of a trace if its whole ID is known."""
    from devenv.traces.logs.source import MAX_LIMIT, LogQuery

    return LogQuery(
        trace_id=query.traces[0] if len(query.traces) == 1 else None,
        services=query.services,
        severity=query.severity,
        start_ns=_ns(query.since),
        limit=MAX_LIMIT,
        before=before,
        arrived_from=arrived_from,
        arrived_before=arrived_before,
    )


async def sent_lines(project: Running, query: SentQuery, warn: Callable[[str], None]) -> list[ServiceLine]:
    """Read log records, and with ``query.traces`` the events of spans; without a trace backend there are none.

    Args:
        project: the running project.
        query: which.
        warn: called with the reason if they cannot be read.
    """
    from devenv.app.traces.canary import lean_sender
    from devenv.traces.client import TraceClient

    if project.record.trace_backend is None:
        return []
    if not query.traces and not has_log_records(project):
        return []
    instances = Instances(project)
    try:
        backend = await require_backend(project)
        if query.traces:
            async with TraceClient(backend.query_url, token=backend.token, timeout=LARGE_TRACE_TIMEOUT) as client:
                found = await _of_traces(client, query, instances)
        else:
            async with TraceClient(backend.query_url, token=backend.token, sender=lean_sender) as client:
                found = await _of_services(client, query, instances)
    except BackendUnavailable as error:
        warn(f"only captured output is shown: {error.message}")
        return []
    return [line for line in found if not query.services or line.service in query.services]


async def _of_traces(client: TraceClient, query: SentQuery, instances: Instances) -> list[ServiceLine]:
    lines: list[ServiceLine] = []
    for trace_id in query.traces[:_TRACES]:
        wanted = replace(query, traces=(trace_id,), services=(), severity=0)
        records = await client.logs(log_query(wanted, arrived_before=query.arrived_before))
        lines += [instances.line_of_record(record) for record in records.records]
        trace = await client.trace(trace_id)
        for span in trace.spans if trace else ():
            lines += [instances.line_of_event(span, event) for event in span.events]
    return [line for line in lines if query.since is None or line.time >= query.since]


async def _of_services(client: TraceClient, query: SentQuery, instances: Instances) -> list[ServiceLine]:
    names: Iterable[tuple[str, ...]] = [(name,) for name in query.services] or [()]
    found: list[LogRecord] = []
    for services in names:
        wanted = log_query(replace(query, services=services), arrived_before=query.arrived_before)
        found += (await client.logs(wanted)).records
    lines = [instances.line_of_record(record) for record in found]
    return lines if query.tail is None else _last(lines, query.tail)


def _last(lines: list[ServiceLine], count: int) -> list[ServiceLine]:
    by_service: dict[str, list[ServiceLine]] = {}
    for line in lines:
        by_service.setdefault(line.service, []).append(line)
    return [line for own in by_service.values() for line in (own[-count:] if count else [])]


def _ns(since: float | None) -> int:
    return 0 if since is None else int(since * _NS)


class Instances:
    """The instances of a project, by what they are called in telemetry."""

    def __init__(self, project: Running) -> None:
        everything = project.observed.instances
        self._named = {instance.name: (instance.service, instance.index) for instance in everything}
        self._named |= {instance.id: (instance.service, instance.index) for instance in everything}
        counts: dict[str, list[int]] = {}
        for instance in everything:
            counts.setdefault(instance.service, []).append(instance.index)
        self._single = {name: indexes[0] for name, indexes in counts.items() if len(indexes) == 1}

    def line_of_record(self, record: LogRecord) -> ServiceLine:
        """Return a log record as a line."""
        from devenv.traces.logs.source import text_of

        service, instance = self._place(record.service, record.resource)
        return ServiceLine(
            service=service,
            instance=instance,
            time=record.time_ns / _NS,
            stream="otlp",
            text=text_of(record),
            trace_id=record.trace_id or None,
            span_id=record.span_id or None,
            severity=level_of(record.severity) or None,
            attributes=record.attributes,
        )

    def line_of_event(self, span: Span, event: SpanEvent) -> ServiceLine:
        """Return an event of a span as a line."""
        from devenv.traces.logs.json_form import plain_map
        from devenv.traces.logs.source import event_text

        service, instance = self._place(span.service, span.resource)
        return ServiceLine(
            service=service,
            instance=instance,
            time=event.time_ns / _NS,
            stream="event",
            text=event_text(event),
            trace_id=span.trace_id,
            span_id=span.span_id,
            severity="ERROR" if event.name == "exception" else None,
            attributes=plain_map(event.attributes),
        )

    def _place(self, service: str, resource: Mapping[str, object]) -> tuple[str, int]:
        known = self._named.get(str(resource.get("service.instance.id", "")))
        return known or (service, self._single.get(service, 0))
