"""Converts the light provider's spans to and from the SDK's `ReadableSpan`, off the request's path."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util import BoundedList
from opentelemetry.sdk.util.instrumentation import InstrumentationInfo, InstrumentationScope
from opentelemetry.trace import Link

from devenv.tracing.light.span import LightSpan
from devenv.tracing.light.unsampled import LocalTrace
from devenv.tracing.light.values import shorten


def readable(span: LightSpan, resource: Resource) -> ReadableSpan:
    """Convert a light span to the SDK's, with limits applied and dropped counts kept."""
    limits = span.tracer.limits
    name, version, schema_url, scope_attributes = span.tracer.scope
    events = [
        Event(event_name, _attributes(kept, dropped, limits.attribute_length), timestamp)
        for timestamp, event_name, kept, dropped in span.raw_events or ()
    ]
    links = [
        Link(context, _attributes(kept, dropped, limits.attribute_length))
        for context, kept, dropped in span.raw_links or ()
    ]
    return ReadableSpan(
        name=span.name,
        context=span.get_span_context(),
        parent=span.parent,
        resource=resource,
        attributes=_attributes(span.attributes, span.dropped_attributes, limits.span_attribute_length),
        events=_list(events, span.dropped_events),
        links=_list(links, span.dropped_links),
        kind=span.kind,
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_info=_information(name, version, schema_url),
        instrumentation_scope=InstrumentationScope(name, version, schema_url, scope_attributes),
    )


def record(span: ReadableSpan, tracer: Any) -> LightSpan:
    """Convert an SDK span to the record that the encoder accepts.

    Args:
        span: An ended span.
        tracer: An object with the `scope` and `limits` of `LightTracer`.
    """
    context = span.get_span_context()
    if context is None:
        raise ValueError("span without context")
    parent = span.parent
    local = LocalTrace(f"{context.trace_id:032x}", int(context.trace_flags), context.trace_state)
    made = LightSpan(
        tracer,
        local,
        span.name,
        span.kind,
        parent.span_id if parent else 0,
        parent.is_remote if parent else False,
        None,
        dict(span.attributes or {}),
        span.start_time or 0,
    )
    made.span_id = context.span_id
    made.eventful = True
    made.end_time = span.end_time
    made.raw_events = [(e.timestamp, e.name, dict(e.attributes or {}), e.dropped_attributes) for e in span.events]
    made.raw_links = [(link.context, dict(link.attributes or {}), link.dropped_attributes) for link in span.links]
    made.status_code, made.status_message = span.status.status_code, span.status.description
    made.dropped_attributes, made.dropped_events, made.dropped_links = (
        span.dropped_attributes,
        span.dropped_events,
        span.dropped_links,
    )
    return made


@lru_cache(maxsize=256)
def _information(name: str, version: str, schema_url: str) -> Any:
    """Return the scope under its name of before 1.11.1, which is still public; the program's reading of it warns."""
    made = object.__new__(InstrumentationInfo)
    init: Any = InstrumentationInfo.__init__
    getattr(init, "__wrapped__", init)(made, name, version, schema_url)  # without the warning, which is not for us
    return made


def _attributes(kept: dict[str, Any], dropped: int, length: int | None) -> BoundedAttributes:
    attributes = BoundedAttributes(
        attributes={key: shorten(value, length) for key, value in kept.items()}, immutable=True
    )
    attributes.dropped = dropped
    return attributes


def _list(items: list[Any], dropped: int) -> Any:
    bounded = BoundedList.from_seq(len(items), items)
    bounded.dropped = dropped
    return bounded
