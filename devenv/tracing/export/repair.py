"""A copy of a span that can be encoded, for one that a program or a processor has given values of wrong types."""

from __future__ import annotations

from typing import Any

from devenv.tracing.export.encoding import any_value
from devenv.tracing.light.span import LightSpan
from devenv.tracing.light.unsampled import LocalTrace
from devenv.tracing.light.values import as_text, clean, nanoseconds, pairs


def repaired(span: LightSpan) -> LightSpan:
    """Return a copy with texts for names and keys, whole numbers for times, and attributes that can be encoded."""
    trace = LocalTrace(span.trace.hex, span.trace.flags & 0xFF)
    began = nanoseconds(span.start_time)
    values = _encodable({**(span.shared.values if span.shared is not None else {}), **dict(pairs(span.own))})
    made = LightSpan(
        span.tracer, trace, as_text(span.name), span.kind, span.parent_id, span.remote_parent, None, values, began
    )
    made.span_id = span.span_id
    made.end_time = nanoseconds(span.end_time) if span.end_time is not None else began
    made.eventful = True
    made.status_code = span.status_code
    made.status_message = None if span.status_message is None else as_text(span.status_message)
    made.raw_events = [
        (nanoseconds(stamp), as_text(name), _encodable(kept), dropped)
        for stamp, name, kept, dropped in span.raw_events or ()
    ]
    made.raw_links = [(context, _encodable(kept), dropped) for context, kept, dropped in span.raw_links or ()]
    made.dropped_attributes, made.dropped_events, made.dropped_links = (
        span.dropped_attributes,
        span.dropped_events,
        span.dropped_links,
    )
    return made


def _encodable(attributes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs(attributes):
        cleaned = clean(value)
        try:
            any_value(cleaned)
        except Exception:  # noqa: BLE001 - recorded as text, and the exporter warns about the span
            cleaned = as_text(value)
        found[as_text(key)] = cleaned
    return found
