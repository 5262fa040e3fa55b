"""Traces without devenv's own spans, which maps and reports leave out."""

from __future__ import annotations

from devenv.model.trace import OWN_SERVICE, Trace


def without_own(trace: Trace) -> Trace | None:
    """The trace without devenv's spans; those below them are at the top then. ``None`` if no span is left."""
    if all(span.service != OWN_SERVICE for span in trace.spans):
        return trace
    spans = tuple(span for span in trace.spans if span.service != OWN_SERVICE)
    return Trace(trace.trace_id, spans, trace.truncated) if spans else None
