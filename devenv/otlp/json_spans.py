"""OTLP JSON as spans: the responses of Jaeger's v3 query API, and trace files.

Format: OTLP 1.x JSON encoding. IDs are hex, enumerations integers (names are accepted), 64-bit integers text or
numbers; unknown fields are ignored.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

from devenv.model.span import Span, SpanEvent, SpanKind, SpanLink, Status, Value

_KINDS = {f"SPAN_KIND_{kind.name}": kind for kind in SpanKind}
_STATUSES = {f"STATUS_CODE_{status.name}": status for status in Status}
_KIND_OF = {int(kind): kind for kind in SpanKind}
_STATUS_OF = {int(status): status for status in Status}


def parse_spans(document: Mapping[str, Any]) -> Iterator[Span]:
    """Yield the spans of a ``TracesData`` document (``{"resourceSpans": [...]}``).

    Raises:
        ValueError, KeyError, TypeError, AttributeError: If it is not such a document.
    """
    for resource_spans in document.get("resourceSpans") or ():
        resource = _attributes((resource_spans.get("resource") or {}).get("attributes"))
        service = str(resource.get("service.name", ""))
        for scope_spans in resource_spans.get("scopeSpans") or ():
            scope = scope_spans.get("scope") or {}
            for span in scope_spans.get("spans") or ():
                yield _span(span, service, scope, resource)


def _span(span: Mapping[str, Any], service: str, scope: Mapping[str, Any], resource: Mapping[str, Value]) -> Span:
    status = span.get("status") or {}
    return Span(
        trace_id=span["traceId"].lower(),
        span_id=span["spanId"].lower(),
        parent_id=_parent(span.get("parentSpanId")),
        service=service,
        name=span.get("name", ""),
        kind=_kind(span.get("kind", 0)),
        start_ns=int(span.get("startTimeUnixNano", 0)),
        end_ns=int(span.get("endTimeUnixNano", 0)),
        status=_status(status.get("code", 0)),
        status_message=status.get("message", ""),
        attributes=_attributes(span.get("attributes")),
        events=tuple(_event(event) for event in span.get("events") or ()),
        links=tuple(_link(link) for link in span.get("links") or ()),
        resource=resource,
        scope=scope.get("name", ""),
        scope_version=scope.get("version", ""),
        trace_state=span.get("traceState", ""),
    )


def _parent(value: str | None) -> str | None:
    """Return a parent's ID; ``None`` for a root: if it is absent, empty or all zeros."""
    return value.lower() if value and value.strip("0") else None


def _event(event: Mapping[str, Any]) -> SpanEvent:
    return SpanEvent(int(event.get("timeUnixNano", 0)), event.get("name", ""), _attributes(event.get("attributes")))


def _link(link: Mapping[str, Any]) -> SpanLink:
    return SpanLink(link["traceId"].lower(), link["spanId"].lower(), _attributes(link.get("attributes")))


def _kind(value: int | str) -> SpanKind:
    if isinstance(value, str):
        return _KINDS.get(value, SpanKind.UNSPECIFIED)
    return _KIND_OF.get(value, SpanKind.UNSPECIFIED)


def _status(value: int | str) -> Status:
    if isinstance(value, str):
        return _STATUSES.get(value, Status.UNSET)
    return _STATUS_OF.get(value, Status.UNSET)


def _attributes(pairs: list[Mapping[str, Any]] | None) -> dict[str, Value]:
    """Return attributes by name; the first of equal names counts, as in Jaeger's look-up."""
    found: dict[str, Value] = {}
    for pair in pairs or ():
        found.setdefault(pair.get("key", ""), _value(pair.get("value") or {}))
    return found


def _value(value: Mapping[str, Any]) -> Value:
    """Return an AnyValue as a plain value; an empty one as ``None``."""
    for kind, content in value.items():
        match kind:
            case "stringValue" | "boolValue":
                return content  # type: ignore[no-any-return]  # JSON's own types are the wanted ones
            case "intValue":
                return int(content)
            case "doubleValue":
                return float(content)
            case "bytesValue":
                return base64.b64decode(content)
            case "arrayValue":
                return [_value(item) for item in content.get("values") or ()]
            case "kvlistValue":
                return {pair.get("key", ""): _value(pair.get("value") or {}) for pair in content.get("values") or ()}
    return None
