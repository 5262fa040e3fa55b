"""Spans as OTLP protobuf, written directly in the wire format.

devenv exports only its own root spans, and importing the generated classes takes longer than the canary.

Field numbers: ``opentelemetry/proto/trace/v1/trace.proto``, ``common/v1/common.proto``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from devenv.model.span import Span, Status, Value
from devenv.otlp.wire import bytes_field, fixed64_field, text_field, varint_field

_DOUBLE = struct.Struct("<d")


def encode_request(resource: Mapping[str, Value], scope: str, spans: Iterable[bytes]) -> bytes:
    """Return an ``ExportTraceServiceRequest`` of encoded spans with a common resource and scope."""
    scope_spans = bytes_field(1, text_field(1, scope)) + b"".join(bytes_field(2, span) for span in spans)
    return bytes_field(1, bytes_field(1, encode_attributes(1, resource)) + bytes_field(2, scope_spans))


def encode_spans(spans: Iterable[Span]) -> Iterator[bytes]:
    """Yield spans as encoded ``ResourceSpans`` fields of a request, one for neighbours of one resource and scope."""
    for (resource, scope, version), group in groupby(spans, _origin):
        about = text_field(1, scope) + text_field(2, version)
        scope_spans = bytes_field(1, about) + b"".join(bytes_field(2, encode_span(span)) for span in group)
        yield bytes_field(1, bytes_field(1, encode_attributes(1, resource)) + bytes_field(2, scope_spans))


def _origin(span: Span) -> tuple[Mapping[str, Value], str, str]:
    return span.resource, span.scope, span.scope_version


def encode_span(span: Span) -> bytes:
    """Return a ``Span`` message."""
    parts = [
        bytes_field(1, bytes.fromhex(span.trace_id)),
        bytes_field(2, bytes.fromhex(span.span_id)),
        text_field(3, span.trace_state) if span.trace_state else b"",
        bytes_field(4, bytes.fromhex(span.parent_id)) if span.parent_id else b"",
        text_field(5, span.name),
        varint_field(6, int(span.kind)),
        fixed64_field(7, span.start_ns),
        fixed64_field(8, span.end_ns),
        encode_attributes(9, span.attributes),
        *(
            bytes_field(11, fixed64_field(1, e.time_ns) + text_field(2, e.name) + encode_attributes(3, e.attributes))
            for e in span.events
        ),
        *(
            bytes_field(
                13,
                bytes_field(1, bytes.fromhex(link.trace_id))
                + bytes_field(2, bytes.fromhex(link.span_id))
                + encode_attributes(4, link.attributes),
            )
            for link in span.links
        ),
        encode_status(span.status, span.status_message),
    ]
    return b"".join(parts)


def encode_status(status: Status, message: str) -> bytes:
    """Return a span's ``status`` field; empty if unset."""
    if status is Status.UNSET:
        return b""
    return bytes_field(15, (text_field(2, message) if message else b"") + varint_field(3, int(status)))


def encode_attributes(field: int, attributes: Mapping[str, Value]) -> bytes:
    """Return attributes as a repeated ``KeyValue`` with that field number."""
    return b"".join(
        bytes_field(field, text_field(1, key) + bytes_field(2, _any(value))) for key, value in attributes.items()
    )


def _any(value: Value) -> bytes:
    match value:
        case str():
            return text_field(1, value)
        case bool():
            return varint_field(2, int(value))
        case int():
            return varint_field(3, value)
        case float():
            return b"\x21" + _DOUBLE.pack(value)
        case bytes():
            return bytes_field(7, value)
        case list():
            return bytes_field(5, b"".join(bytes_field(1, _any(item)) for item in value))
        case dict():
            return bytes_field(6, encode_attributes(1, value))
        case None:
            return b""
