"""Stored spans as values of the model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from devenv.backend.store.decoding import EncodedTrace, ends, readable
from devenv.backend.store.scopes import Scope
from devenv.model.span import Span, SpanEvent, SpanKind, SpanLink, Status
from devenv.otlp.values import attributes, text

_KINDS = tuple(SpanKind)
_STATUSES = tuple(Status)


def spans(trace: EncodedTrace) -> Iterator[Span]:
    """All spans of a trace, in order of arrival."""
    trace_id = trace.id.hex()
    for scope, payloads in trace.chunks:
        for span in readable(payloads):
            yield _span(trace_id, scope, span)


def _span(trace_id: str, scope: Scope, span: Any) -> Span:
    kind, code = span.kind, span.status.code
    return Span(
        trace_id=trace_id,
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex() if any(span.parent_span_id) else None,
        service=scope.service.name,
        name=text(span.name),
        kind=_KINDS[kind] if 0 <= kind < len(_KINDS) else SpanKind.UNSPECIFIED,
        start_ns=span.start,
        end_ns=ends(span),
        status=_STATUSES[code] if 0 <= code < len(_STATUSES) else Status.UNSET,
        status_message=text(span.status.message),
        attributes=attributes(span.attributes),
        events=tuple(SpanEvent(event.time, text(event.name), attributes(event.attributes)) for event in span.events),
        links=tuple(
            SpanLink(link.trace_id.hex(), link.span_id.hex(), attributes(link.attributes)) for link in span.links
        ),
        resource=scope.resource,
        scope=scope.name,
        scope_version=scope.version,
        trace_state=text(span.trace_state),
    )
