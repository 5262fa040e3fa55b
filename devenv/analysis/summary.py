"""The summary of a trace, for search results of the command line, the pages and API v3."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from devenv.model.trace import Trace, TraceSummary


class Outline(NamedTuple):
    """What a summary needs of one span; fields as in :class:`~devenv.model.span.Span`."""

    service: str
    name: str
    span_id: str
    parent_id: str | None
    start_ns: int
    end_ns: int
    is_error: bool


def summarize(trace: Trace) -> TraceSummary:
    """Return the summary of a trace."""
    return summarize_outlines(
        trace.trace_id,
        [
            Outline(
                span.service,
                span.name,
                span.span_id,
                span.parent_id,
                span.start_ns,
                max(span.start_ns, span.end_ns),
                span.is_error,
            )
            for span in trace.spans
        ],
    )


def summarize_outlines(trace_id: str, spans: Iterable[Outline]) -> TraceSummary:
    """Return the summary of a trace of which only outlines are decoded."""
    outlines = list(spans)
    ids = {span.span_id for span in outlines}
    roots = [(span.start_ns, span.span_id, span.service, span.name) for span in outlines if span.parent_id is None]
    _, _, root_service, root_operation = min(roots, default=(0, "", "", ""))
    counts = Counter(span.service for span in outlines)
    errors = Counter(span.service for span in outlines if span.is_error)
    return TraceSummary(
        trace_id=trace_id,
        root_service=root_service,
        root_operation=root_operation,
        start_ns=min((span.start_ns for span in outlines), default=0),
        end_ns=max((span.end_ns for span in outlines), default=0),
        spans=len(outlines),
        errors=sum(errors.values()),
        orphans=sum(1 for span in outlines if span.parent_id is not None and span.parent_id not in ids),
        services=tuple((name, count, errors[name]) for name, count in sorted(counts.items())),
    )
