"""Summaries of stored traces, and their form in Jaeger's API v3."""

from __future__ import annotations

from typing import Any

from devenv.analysis.summary import Outline, Outlines
from devenv.backend.store.decoding import Snapshot, Steps, encoded, ends, is_error, readable
from devenv.model.trace import TraceSummary
from devenv.otlp.values import text


def summarized(taken: Snapshot) -> Steps[TraceSummary]:
    """Summarize a trace."""
    trace = yield from encoded(taken)
    found = Outlines()
    for scope, payloads in trace.chunks:
        service = scope.service.name
        for span in readable(payloads):
            found.add(
                Outline(
                    service,
                    text(span.name),
                    span.span_id.hex(),
                    span.parent_span_id.hex() if any(span.parent_span_id) else None,
                    span.start,
                    ends(span),
                    is_error(span),
                )
            )
        yield None
    return found.summary(trace.id.hex())


def summary_document(summary: TraceSummary) -> dict[str, Any]:
    """The summary as API v3 writes it: zero values left out, services by name."""
    services = [
        _without_zeros({"name": name, "spanCount": spans, "errorSpanCount": errors})
        for name, spans, errors in summary.services
    ]
    return _without_zeros(
        {
            "traceId": summary.trace_id,
            "rootServiceName": summary.root_service,
            "rootOperationName": summary.root_operation,
            "minStartTimeUnixNano": str(summary.start_ns),
            "maxEndTimeUnixNano": str(summary.end_ns),
            "spanCount": summary.spans,
            "errorSpanCount": summary.errors,
            "orphanSpanCount": summary.orphans,
            "services": services,
        }
    )


def _without_zeros(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if value}
