"""Reads Jaeger's legacy trace JSON as spans in OpenTelemetry's terms.

Its times are microseconds. Jaeger converts kind, status, scope and trace state to tags; this module converts them back,
so that a span is the same in both dialects.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

from devenv.model.span import Span, SpanEvent, SpanKind, SpanLink, Status, Value

_KINDS = {kind.name.lower(): kind for kind in SpanKind}
_STATUSES = {"OK": Status.OK, "ERROR": Status.ERROR}
_CONVERTED = {
    "span.kind",
    "otel.status_code",
    "otel.status_description",
    "otel.scope.name",
    "otel.scope.version",
    "w3c.tracestate",
    "internal.span.format",
}


def parse_spans(trace: Mapping[str, Any]) -> Iterator[Span]:
    """Spans of one element of ``data`` in a response of ``/api/traces``.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: If it is not a trace.
    """
    resources = {key: _resource(process) for key, process in trace["processes"].items()}
    for span in trace["spans"]:
        yield _span(span, resources[span["processID"]])


def _resource(process: Mapping[str, Any]) -> dict[str, Value]:
    return {"service.name": process["serviceName"], **_tags(process.get("tags"))}


def _span(span: Mapping[str, Any], resource: Mapping[str, Value]) -> Span:
    tags = _tags(span.get("tags"))
    trace_id = _trace_id(span["traceID"])
    start_ns = int(span["startTime"]) * 1000
    return Span(
        trace_id=trace_id,
        span_id=_span_id(span["spanID"]),
        parent_id=_parent(span, trace_id),
        service=str(resource["service.name"]),
        name=span["operationName"],
        kind=_KINDS.get(str(tags.get("span.kind", "")).lower(), SpanKind.UNSPECIFIED),
        start_ns=start_ns,
        end_ns=start_ns + int(span["duration"]) * 1000,
        status=_status(tags),
        status_message=str(tags.get("otel.status_description", "")),
        attributes={key: value for key, value in tags.items() if not _was_field(key, value)},
        events=tuple(_event(log) for log in span.get("logs") or ()),
        links=tuple(_links(span, trace_id)),
        resource=resource,
        scope=str(tags.get("otel.scope.name", "")),
        scope_version=str(tags.get("otel.scope.version", "")),
        trace_state=str(tags.get("w3c.tracestate", "")),
    )


def _was_field(key: str, value: Value) -> bool:
    return key in _CONVERTED or (key == "error" and value is True)


def _status(tags: Mapping[str, Value]) -> Status:
    if tags.get("error") in (True, "true"):
        return Status.ERROR
    return _STATUSES.get(str(tags.get("otel.status_code", "")), Status.UNSET)


def _parent(span: Mapping[str, Any], trace_id: str) -> str | None:
    for reference in span.get("references") or ():
        if reference["refType"] == "CHILD_OF" and _trace_id(reference["traceID"]) == trace_id:
            return _span_id(reference["spanID"])
    return None


def _links(span: Mapping[str, Any], trace_id: str) -> Iterator[SpanLink]:
    """Every reference that is not the parent: Jaeger stores OpenTelemetry's links as ``FOLLOWS_FROM``."""
    parent_seen = False
    for reference in span.get("references") or ():
        target = _trace_id(reference["traceID"])
        if reference["refType"] == "CHILD_OF" and target == trace_id and not parent_seen:
            parent_seen = True
            continue
        yield SpanLink(target, _span_id(reference["spanID"]))


def _event(log: Mapping[str, Any]) -> SpanEvent:
    fields = _tags(log.get("fields"))
    name = fields.pop("event", "")
    return SpanEvent(int(log["timestamp"]) * 1000, str(name), fields)


def _tags(tags: list[Mapping[str, Any]] | None) -> dict[str, Value]:
    """Tags by name; the first of equal names counts, as in Jaeger's look-up."""
    found: dict[str, Value] = {}
    for tag in tags or ():
        found.setdefault(tag["key"], _value(tag))
    return found


def _value(tag: Mapping[str, Any]) -> Value:
    value: Value = tag.get("value")
    match tag.get("type"):
        case "binary" if isinstance(value, str):
            return base64.b64decode(value)
        case "int64" if isinstance(value, str):
            return int(value)
        case "bool" if isinstance(value, str):
            return value == "true"
    return value


def _trace_id(text: str) -> str:
    return text.lower().zfill(32)


def _span_id(text: str) -> str:
    return text.lower().zfill(16)
