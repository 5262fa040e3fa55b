"""What a list of traces shows of each, as Jaeger's trace summaries define it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from devenv.backend.store.decoding import DecodedTrace, ends, is_error, orphans
from devenv.otlp.values import text


@dataclass(slots=True)
class ServiceCount:
    """Spans of one service in a trace."""

    spans: int = 0
    errors: int = 0


@dataclass(slots=True)
class Summary:
    """Counts and bounds of a trace; times in ns. The root is the earliest span without a parent."""

    trace_id: str
    root_service: str = ""
    root_operation: str = ""
    start: int = 0
    end: int = 0
    spans: int = 0
    errors: int = 0
    orphans: int = 0
    services: dict[str, ServiceCount] = field(default_factory=dict)


def summarize(trace: DecodedTrace) -> Summary:
    """The summary of a trace."""
    summary = Summary(trace.id.hex(), spans=len(trace.spans), orphans=sum(1 for _ in orphans(trace)))
    root_start: int | None = None
    for scope, span in trace.spans:
        service = scope.service.name
        count = summary.services.setdefault(service, ServiceCount())
        count.spans += 1
        if is_error(span):
            count.errors += 1
            summary.errors += 1
        if not any(span.parent_span_id) and (root_start is None or span.start < root_start):
            root_start = span.start
            summary.root_service, summary.root_operation = service, text(span.name)
    summary.start = min((span.start for _, span in trace.spans), default=0)
    summary.end = max((ends(span) for _, span in trace.spans), default=0)
    return summary


def summary_document(summary: Summary) -> dict[str, Any]:
    """As API v3 writes it: zero values left out, services by name."""
    services = [
        _without_zeros({"name": name, "spanCount": count.spans, "errorSpanCount": count.errors})
        for name, count in sorted(summary.services.items())
    ]
    return _without_zeros(
        {
            "traceId": summary.trace_id,
            "rootServiceName": summary.root_service,
            "rootOperationName": summary.root_operation,
            "minStartTimeUnixNano": str(summary.start),
            "maxEndTimeUnixNano": str(summary.end),
            "spanCount": summary.spans,
            "errorSpanCount": summary.errors,
            "orphanSpanCount": summary.orphans,
            "services": services,
        }
    )


def _without_zeros(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if value}
