"""Spans to OTLP protobuf, written straight to the wire format.

devenv exports only its own root spans, and the generated classes cost more to import than the canary takes.

Field numbers: ``opentelemetry/proto/trace/v1/trace.proto``, ``common/v1/common.proto``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping

from devenv.model.span import Span, Status, Value

_FIXED64 = struct.Struct("<Q")
_DOUBLE = struct.Struct("<d")


def encode_request(resource: Mapping[str, Value], scope: str, spans: Iterable[bytes]) -> bytes:
    """An ``ExportTraceServiceRequest`` of encoded spans that share a resource and a scope."""
    scope_spans = _bytes(1, _text(1, scope)) + b"".join(_bytes(2, span) for span in spans)
    return _bytes(1, _bytes(1, encode_attributes(1, resource)) + _bytes(2, scope_spans))


def encode_span(span: Span) -> bytes:
    """A ``Span`` message."""
    parts = [
        _bytes(1, bytes.fromhex(span.trace_id)),
        _bytes(2, bytes.fromhex(span.span_id)),
        _bytes(4, bytes.fromhex(span.parent_id)) if span.parent_id else b"",
        _text(5, span.name),
        _number(6, int(span.kind)),
        _fixed(7, span.start_ns),
        _fixed(8, span.end_ns),
        encode_attributes(9, span.attributes),
        *(
            _bytes(11, _fixed(1, e.time_ns) + _text(2, e.name) + encode_attributes(3, e.attributes))
            for e in span.events
        ),
        *(
            _bytes(
                13,
                _bytes(1, bytes.fromhex(link.trace_id))
                + _bytes(2, bytes.fromhex(link.span_id))
                + encode_attributes(4, link.attributes),
            )
            for link in span.links
        ),
        encode_status(span.status, span.status_message),
    ]
    return b"".join(parts)


def encode_status(status: Status, message: str) -> bytes:
    """A span's ``status`` field; empty where unset."""
    if status is Status.UNSET:
        return b""
    return _bytes(15, (_text(2, message) if message else b"") + _number(3, int(status)))


def encode_attributes(field: int, attributes: Mapping[str, Value]) -> bytes:
    """Attributes as a repeated ``KeyValue`` of that field number."""
    return b"".join(_bytes(field, _text(1, key) + _bytes(2, _any(value))) for key, value in attributes.items())


def _any(value: Value) -> bytes:
    match value:
        case str():
            return _text(1, value)
        case bool():
            return _number(2, int(value))
        case int():
            return _number(3, value & 0xFFFF_FFFF_FFFF_FFFF)
        case float():
            return b"\x21" + _DOUBLE.pack(value)
        case bytes():
            return _bytes(7, value)
        case list():
            return _bytes(5, b"".join(_bytes(1, _any(item)) for item in value))
        case dict():
            return _bytes(6, encode_attributes(1, value))
        case None:
            return b""


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _fixed(field: int, value: int) -> bytes:
    return _varint(field << 3 | 1) + _FIXED64.pack(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())
