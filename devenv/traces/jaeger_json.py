"""Reads Jaeger's legacy trace JSON as spans in OpenTelemetry's terms.

Its times are microseconds. Jaeger converts kind, status, scope and trace state to tags; this module converts them back,
so that a span is the same in both dialects.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from devenv.model.span import Span, SpanEvent, SpanKind, SpanLink, Status, Value

_KINDS = {kind.name.lower(): kind for kind in SpanKind}
_STATUSES = {"OK": Status.OK, "ERROR": Status.ERROR}


def parse_spans(trace: Mapping[str, Any]) -> Iterator[Span]:
    """Spans of one element of ``data`` in a response of ``/api/traces``.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: If it is not a trace.
    """
    resources = {key: _resource(process) for key, process in trace["processes"].items()}
    for span in trace["spans"]:
        yield _span(span, resources[span["processID"]])


def traces_in(answers: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The traces of some responses of ``/api/traces``.

    The searches of several services return a trace once for each. One with as many spans as before is left out: it
    would be parsed and compared in vain.

    Raises:
        KeyError, TypeError, AttributeError: If one is not a response.
    """
    seen: set[tuple[str, int]] = set()
    for answer in answers:
        for trace in answer.get("data") or ():
            key = (trace["traceID"], len(trace["spans"]))
            if key not in seen:
                seen.add(key)
                yield trace


def _resource(process: Mapping[str, Any]) -> dict[str, Value]:
    return {"service.name": process["serviceName"], **_tags(process.get("tags"))}


def _span(span: Mapping[str, Any], resource: Mapping[str, Value]) -> Span:
    tags = _tags(span.get("tags"))
    take = tags.pop  # what was a field does not stay an attribute; load verification reads many thousands of spans
    take("internal.span.format", None)
    kind, scope, version = take("span.kind", ""), take("otel.scope.name", ""), take("otel.scope.version", "")
    status, message, state = _status(tags), take("otel.status_description", ""), take("w3c.tracestate", "")
    own_id = span["traceID"]
    parent_id, links = _references(span.get("references") or (), own_id)
    start_ns = int(span["startTime"]) * 1000
    return Span(
        trace_id=_trace_id(own_id),
        span_id=_span_id(span["spanID"]),
        parent_id=parent_id,
        service=str(resource["service.name"]),
        name=span["operationName"],
        kind=_KINDS.get(str(kind).lower(), SpanKind.UNSPECIFIED),
        start_ns=start_ns,
        end_ns=start_ns + int(span["duration"]) * 1000,
        status=status,
        status_message=str(message),
        attributes=tags,
        events=tuple([_event(log) for log in span.get("logs") or ()]),
        links=links,
        resource=resource,
        scope=str(scope),
        scope_version=str(version),
        trace_state=str(state),
    )


def _status(tags: dict[str, Value]) -> Status:
    """Take the status out of a span's tags; an attribute ``error`` that is not Jaeger's own stays."""
    code, error = tags.pop("otel.status_code", ""), tags.get("error")
    if error is True:
        del tags["error"]
    if error is True or error == "true":
        return Status.ERROR
    return _STATUSES.get(str(code), Status.UNSET)


def _references(references: Iterable[Mapping[str, Any]], trace_id: str) -> tuple[str | None, tuple[SpanLink, ...]]:
    """Parent and links: the first ``CHILD_OF`` in the trace is the parent, all other references are links."""
    parent: str | None = None
    links: tuple[SpanLink, ...] = ()
    for reference in references:
        target, span_id = reference["traceID"], _span_id(reference["spanID"])
        if parent is None and reference["refType"] == "CHILD_OF" and _same(target, trace_id):
            parent = span_id
        else:
            links += (SpanLink(_trace_id(target), span_id),)
    return parent, links


def _same(one: str, other: str) -> bool:
    return one == other or _trace_id(one) == _trace_id(other)


def _event(log: Mapping[str, Any]) -> SpanEvent:
    fields = _tags(log.get("fields"))
    name = fields.pop("event", "")
    return SpanEvent(int(log["timestamp"]) * 1000, str(name), fields)


def _tags(tags: list[Mapping[str, Any]] | None) -> dict[str, Value]:
    """Tags by name; the first of equal names counts, as in Jaeger's look-up."""
    tags = tags or []
    found = {tag["key"]: tag["value"] if tag["type"] == "string" else _value(tag) for tag in tags}
    return found if len(found) == len(tags) else {tag["key"]: _value(tag) for tag in reversed(tags)}


def _value(tag: Mapping[str, Any]) -> Value:
    value: Value = tag.get("value")
    match tag.get("type"):
        case "binary" if isinstance(value, str):
            return base64.b64decode(value)
        case "binary" if value is None:  # Jaeger writes no bytes as null
            return b""
        case "int64" if isinstance(value, str):
            return int(value)
        case "float64" if isinstance(value, int):  # Jaeger writes 2.0 as 2
            return float(value)
        case "bool" if isinstance(value, str):
            return value == "true"
    return value


def _trace_id(text: str) -> str:
    return text.lower().zfill(32)


def _span_id(text: str) -> str:
    return text.lower().zfill(16)
