"""Short forms of traces: made of whole ones, or read from v3 ``trace-summaries``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from devenv.model.trace import Trace, TraceSummary


def summarize(trace: Trace) -> TraceSummary:
    """The short form of a whole trace; its root is the earliest span without a parent."""
    root = next((span for span in trace.spans if span.parent_id is None), None)
    ids = {span.span_id for span in trace.spans}
    spans = Counter(span.service for span in trace.spans)
    errors = Counter(span.service for span in trace.spans if span.is_error)
    return TraceSummary(
        trace_id=trace.trace_id,
        root_service=root.service if root else "",
        root_operation=root.name if root else "",
        start_ns=trace.start_ns,
        end_ns=trace.end_ns,
        spans=len(trace.spans),
        errors=sum(errors.values()),
        orphans=sum(1 for span in trace.spans if span.parent_id is not None and span.parent_id not in ids),
        services=tuple((name, count, errors[name]) for name, count in spans.items()),
    )


def parse_summary(summary: Mapping[str, Any]) -> TraceSummary:
    """One element of ``summaries``; fields that are zero or empty are omitted there.

    Raises:
        ValueError, KeyError, TypeError: it is no summary.
    """
    return TraceSummary(
        trace_id=summary["traceId"].lower(),
        root_service=summary.get("rootServiceName", ""),
        root_operation=summary.get("rootOperationName", ""),
        start_ns=int(summary.get("minStartTimeUnixNano", 0)),
        end_ns=int(summary.get("maxEndTimeUnixNano", 0)),
        spans=int(summary.get("spanCount", 0)),
        errors=int(summary.get("errorSpanCount", 0)),
        orphans=int(summary.get("orphanSpanCount", 0)),
        services=tuple(
            (item.get("name", ""), int(item.get("spanCount", 0)), int(item.get("errorSpanCount", 0)))
            for item in summary.get("services") or ()
        ),
    )
