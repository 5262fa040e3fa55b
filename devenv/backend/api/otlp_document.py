"""A stored trace as OTLP JSON."""

from __future__ import annotations

from typing import Any

from devenv.backend.store.decoding import DecodedTrace, ends
from devenv.backend.store.scopes import Scope
from devenv.otlp.values import otlp, plain, text

Document = dict[str, Any]


def resource_spans(trace: DecodedTrace) -> list[Document]:
    """Return ``ResourceSpans`` documents, one per resource, with its scopes grouped."""
    resources: dict[tuple[bytes, bytes], Document] = {}
    scopes: dict[int, Document] = {}
    for scope, span in trace.spans:
        group = scopes.get(scope.number)
        if group is None:
            resource = resources.setdefault(scope.key[:2], _resource(scope))
            group = scopes[scope.number] = _scope(scope)
            resource["scopeSpans"].append(group)
        group["spans"].append(_span(trace.id.hex(), span))
    return list(resources.values())


def _resource(scope: Scope) -> Document:
    attributes = [{"key": key, "value": otlp(value)} for key, value in scope.resource.items()]
    document: Document = {"resource": {"attributes": attributes}, "scopeSpans": []}
    if scope.urls[0]:
        document["schemaUrl"] = scope.urls[0]
    return document


def _scope(scope: Scope) -> Document:
    about: Document = {}
    if scope.name:
        about["name"] = scope.name
    if scope.version:
        about["version"] = scope.version
    if scope.attributes:
        about["attributes"] = [{"key": key, "value": otlp(value)} for key, value in scope.attributes.items()]
    document: Document = {"scope": about, "spans": []}
    if scope.urls[1]:
        document["schemaUrl"] = scope.urls[1]
    return document


def _span(trace_id: str, span: Any) -> Document:
    document: Document = {"traceId": trace_id, "spanId": span.span_id.hex()}
    if any(span.parent_span_id):
        document["parentSpanId"] = span.parent_span_id.hex()
    status = {"message": text(span.status.message), "code": span.status.code}
    optional: Document = {
        "traceState": text(span.trace_state),
        "name": text(span.name),
        "kind": span.kind,
        "startTimeUnixNano": str(span.start),
        "endTimeUnixNano": str(ends(span)),
        "attributes": _attributes(span.attributes),
        "droppedAttributesCount": span.dropped_attributes,
        "events": [_event(event) for event in span.events],
        "droppedEventsCount": span.dropped_events,
        "links": [_link(link) for link in span.links],
        "droppedLinksCount": span.dropped_links,
        "flags": span.flags,
    }
    document |= {key: value for key, value in optional.items() if value}
    document["status"] = {key: value for key, value in status.items() if value}
    return document


def _attributes(pairs: Any) -> list[Document]:
    return [{"key": text(pair.key), "value": otlp(plain(pair.value))} for pair in pairs]


def _event(event: Any) -> Document:
    document: Document = {
        "timeUnixNano": str(event.time),
        "name": text(event.name),
        "attributes": _attributes(event.attributes),
        "droppedAttributesCount": event.dropped_attributes,
    }
    return {key: value for key, value in document.items() if value}


def _link(link: Any) -> Document:
    document: Document = {
        "traceId": link.trace_id.hex(),
        "spanId": link.span_id.hex(),
        "traceState": text(link.trace_state),
        "attributes": _attributes(link.attributes),
        "droppedAttributesCount": link.dropped_attributes,
        "flags": link.flags,
    }
    return {key: value for key, value in document.items() if value}
