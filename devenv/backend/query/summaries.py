"""Summaries of stored traces, and their form in Jaeger's API v3."""

from __future__ import annotations

from typing import Any

from devenv.analysis.summary import Outline, summarize_outlines
from devenv.backend.store.decoding import DecodedTrace, ends, is_error
from devenv.model.trace import TraceSummary
from devenv.otlp.values import text


def summarize(trace: DecodedTrace) -> TraceSummary:
    """Return the summary of a trace."""
    return summarize_outlines(
        trace.id.hex(),
        [
            Outline(
                scope.service.name,
                text(span.name),
                span.span_id.hex(),
                span.parent_span_id.hex() if any(span.parent_span_id) else None,
                span.start,
                ends(span),
                is_error(span),
            )
            for scope, span in trace.spans
        ],
    )


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
