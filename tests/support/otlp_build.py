"""OTLP requests for tests, made with the official protobuf classes so that they share nothing with the backend."""

from __future__ import annotations

import secrets
import time
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

MS = 1_000_000
SECOND = 1_000_000_000
PROTOBUF = {"Content-Type": "application/x-protobuf"}
JSON = {"Content-Type": "application/json"}


def trace_id() -> bytes:
    return secrets.token_bytes(16)


def span_id() -> bytes:
    return secrets.token_bytes(8)


def any_value(value: Any) -> AnyValue:
    """The AnyValue of a plain Python value."""
    found = AnyValue()
    match value:
        case bool():
            found.bool_value = value
        case str():
            found.string_value = value
        case int():
            found.int_value = value
        case float():
            found.double_value = value
        case bytes():
            found.bytes_value = value
        case list():
            found.array_value.SetInParent()
            found.array_value.values.extend(map(any_value, value))
        case dict():
            found.kvlist_value.SetInParent()
            set_attributes(found.kvlist_value.values, value)
    return found


def set_attributes(target: Any, values: dict[str, Any]) -> None:
    for key, value in values.items():
        target.add(key=key).value.CopyFrom(any_value(value))


def make_span(
    trace: bytes,
    *,
    name: str = "work",
    id: bytes = b"",  # noqa: A002 - the field has this name
    parent: bytes = b"",
    kind: int = 2,
    start: int = 0,
    took: int = 5 * MS,
    attributes: dict[str, Any] | None = None,
    status: int = 0,
    message: str = "",
    events: list[tuple[str, int, dict[str, Any]]] | None = None,
    links: list[tuple[bytes, bytes, dict[str, Any]]] | None = None,
    state: str = "",
) -> Span:
    """One span; ``start`` and ``took`` in ns, the start now unless given."""
    start = start or time.time_ns() - SECOND
    span = Span(
        trace_id=trace,
        span_id=id or span_id(),
        parent_span_id=parent,
        trace_state=state,
        name=name,
        kind=kind,
        start_time_unix_nano=start,
        end_time_unix_nano=start + took,
    )
    set_attributes(span.attributes, attributes or {})
    if status or message:
        span.status.code, span.status.message = status, message
    for event_name, offset, values in events or ():
        set_attributes(span.events.add(name=event_name, time_unix_nano=start + offset).attributes, values)
    for linked_trace, linked_span, values in links or ():
        set_attributes(span.links.add(trace_id=linked_trace, span_id=linked_span).attributes, values)
    return span


def resource_spans(
    service: str | None, *spans: Span, resource: dict[str, Any] | None = None, scope: str = "tests", version: str = ""
) -> ResourceSpans:
    """Spans of one service."""
    found = ResourceSpans()
    if service is not None:
        found.resource.attributes.add(key="service.name").value.string_value = service
    set_attributes(found.resource.attributes, resource or {})
    group = found.scope_spans.add()
    group.scope.name, group.scope.version = scope, version
    group.spans.extend(spans)
    return found


def request(*parts: ResourceSpans) -> bytes:
    """An encoded ExportTraceServiceRequest."""
    return ExportTraceServiceRequest(resource_spans=parts).SerializeToString()


def one(service: str, *spans: Span, **more: Any) -> bytes:
    """An encoded request with the spans of one service."""
    return request(resource_spans(service, *spans, **more))


def field(number: int, payload: bytes) -> bytes:
    """A length-delimited field, for what the protobuf classes cannot create."""
    size, encoded = len(payload), bytearray([number << 3 | 2])
    while size > 0x7F:
        encoded.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes(encoded) + bytes([size]) + payload
