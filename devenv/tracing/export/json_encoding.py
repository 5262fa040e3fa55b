"""OTLP's JSON form of an encoded request: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding.

Ids are hexadecimal, 64-bit integers are decimal text, enumerations are numbers, other bytes are Base64. Made from the
encoded message, so that both protocols share one encoder; field numbers as in `devenv.tracing.export.encoding`.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from struct import unpack
from typing import Any, NamedTuple

from devenv.tracing.export.wire import read_fields, read_varint

_SIGN, _RANGE = 1 << 63, 1 << 64


class _Field(NamedTuple):
    """A field's name, its type (a scalar's name, or a message's), and whether it is repeated."""

    name: str
    kind: str
    repeated: bool = False


_ATTRIBUTES = _Field("attributes", "KeyValue", True)
_DROPPED = _Field("droppedAttributesCount", "number")
_MESSAGES: Mapping[str, Mapping[int, _Field]] = {
    "TracesRequest": {1: _Field("resourceSpans", "ResourceSpans", True)},
    "LogsRequest": {1: _Field("resourceLogs", "ResourceLogs", True)},
    "MetricsRequest": {1: _Field("resourceMetrics", "ResourceMetrics", True)},
    "ResourceSpans": {
        1: _Field("resource", "Resource"),
        2: _Field("scopeSpans", "ScopeSpans", True),
        3: _Field("schemaUrl", "text"),
    },
    "Resource": {1: _ATTRIBUTES, 2: _DROPPED},
    "ScopeSpans": {1: _Field("scope", "Scope"), 2: _Field("spans", "Span", True), 3: _Field("schemaUrl", "text")},
    "ResourceLogs": {
        1: _Field("resource", "Resource"),
        2: _Field("scopeLogs", "ScopeLogs", True),
        3: _Field("schemaUrl", "text"),
    },
    "ScopeLogs": {
        1: _Field("scope", "Scope"),
        2: _Field("logRecords", "LogRecord", True),
        3: _Field("schemaUrl", "text"),
    },
    "LogRecord": {
        1: _Field("timeUnixNano", "fixed64"),
        2: _Field("severityNumber", "number"),
        3: _Field("severityText", "text"),
        5: _Field("body", "AnyValue"),
        6: _ATTRIBUTES,
        7: _DROPPED,
        8: _Field("flags", "fixed32"),
        9: _Field("traceId", "id"),
        10: _Field("spanId", "id"),
        11: _Field("observedTimeUnixNano", "fixed64"),
    },
    "ResourceMetrics": {
        1: _Field("resource", "Resource"),
        2: _Field("scopeMetrics", "ScopeMetrics", True),
        3: _Field("schemaUrl", "text"),
    },
    "ScopeMetrics": {
        1: _Field("scope", "Scope"),
        2: _Field("metrics", "Metric", True),
        3: _Field("schemaUrl", "text"),
    },
    "Metric": {
        1: _Field("name", "text"),
        2: _Field("description", "text"),
        3: _Field("unit", "text"),
        9: _Field("histogram", "Histogram"),
        10: _Field("exponentialHistogram", "ExponentialHistogram"),
    },
    "ExponentialHistogram": {
        1: _Field("dataPoints", "ExponentialPoint", True),
        2: _Field("aggregationTemporality", "number"),
    },
    "ExponentialPoint": {
        1: _ATTRIBUTES,
        2: _Field("startTimeUnixNano", "fixed64"),
        3: _Field("timeUnixNano", "fixed64"),
        4: _Field("count", "fixed64"),
        5: _Field("sum", "double"),
        6: _Field("scale", "signed"),
        7: _Field("zeroCount", "fixed64"),
        8: _Field("positive", "Buckets"),
        12: _Field("min", "double"),
        13: _Field("max", "double"),
    },
    "Buckets": {1: _Field("offset", "signed"), 2: _Field("bucketCounts", "varints")},
    "Histogram": {1: _Field("dataPoints", "HistogramPoint", True), 2: _Field("aggregationTemporality", "number")},
    "HistogramPoint": {
        2: _Field("startTimeUnixNano", "fixed64"),
        3: _Field("timeUnixNano", "fixed64"),
        4: _Field("count", "fixed64"),
        5: _Field("sum", "double"),
        6: _Field("bucketCounts", "fixed64s"),
        7: _Field("explicitBounds", "doubles"),
        9: _ATTRIBUTES,
        11: _Field("min", "double"),
        12: _Field("max", "double"),
    },
    "Scope": {1: _Field("name", "text"), 2: _Field("version", "text"), 3: _ATTRIBUTES, 4: _DROPPED},
    "Span": {
        1: _Field("traceId", "id"),
        2: _Field("spanId", "id"),
        3: _Field("traceState", "text"),
        4: _Field("parentSpanId", "id"),
        5: _Field("name", "text"),
        6: _Field("kind", "number"),
        7: _Field("startTimeUnixNano", "fixed64"),
        8: _Field("endTimeUnixNano", "fixed64"),
        9: _ATTRIBUTES,
        10: _DROPPED,
        11: _Field("events", "Event", True),
        12: _Field("droppedEventsCount", "number"),
        13: _Field("links", "Link", True),
        14: _Field("droppedLinksCount", "number"),
        15: _Field("status", "Status"),
        16: _Field("flags", "fixed32"),
    },
    "Event": {1: _Field("timeUnixNano", "fixed64"), 2: _Field("name", "text"), 3: _ATTRIBUTES, 4: _DROPPED},
    "Link": {
        1: _Field("traceId", "id"),
        2: _Field("spanId", "id"),
        3: _Field("traceState", "text"),
        4: _ATTRIBUTES,
        5: _DROPPED,
        6: _Field("flags", "fixed32"),
    },
    "Status": {2: _Field("message", "text"), 3: _Field("code", "number")},
    "KeyValue": {1: _Field("key", "text"), 2: _Field("value", "AnyValue")},
    "AnyValue": {
        1: _Field("stringValue", "text"),
        2: _Field("boolValue", "flag"),
        3: _Field("intValue", "int64"),
        4: _Field("doubleValue", "double"),
        5: _Field("arrayValue", "Array"),
        6: _Field("kvlistValue", "KeyValueList"),
        7: _Field("bytesValue", "bytes"),
    },
    "Array": {1: _Field("values", "AnyValue", True)},
    "KeyValueList": {1: _Field("values", "KeyValue", True)},
}


def as_json(body: bytes, message: str = "TracesRequest") -> bytes:
    """Return an encoded request as OTLP JSON.

    Args:
        body: An encoded `ExportTraceServiceRequest`, or another.
        message: Which one: `TracesRequest`, `LogsRequest` or `MetricsRequest`.

    Raises:
        ValueError: If the body is not an encoded message.
    """
    return json.dumps(_message(message, body), ensure_ascii=False, separators=(",", ":")).encode()


def _message(kind: str, body: bytes) -> dict[str, Any]:
    fields = _MESSAGES[kind]
    found: dict[str, Any] = {}
    for number, value in read_fields(body):
        field = fields.get(number)
        if field is None:
            continue
        read = _message(field.kind, _bytes(value)) if field.kind in _MESSAGES else _scalar(field.kind, value)
        if field.repeated:
            found.setdefault(field.name, []).append(read)
        else:
            found[field.name] = read
    return found


def _scalar(kind: str, value: int | bytes) -> Any:
    if isinstance(value, int):
        if kind == "flag":
            return bool(value)
        if kind == "signed":
            return (value >> 1) ^ -(value & 1)
        return value if kind == "number" else str(value - _RANGE if value >= _SIGN else value)
    read = _OF_BYTES.get(kind)
    return read(value) if read is not None else b64encode(value).decode()


def _double(number: float) -> float | str:
    """A number that JSON has, or the name that protobuf's JSON form uses."""
    if number != number:  # NaN
        return "NaN"
    if number in {float("inf"), float("-inf")}:
        return "Infinity" if number > 0 else "-Infinity"
    return number


def _varints(data: bytes) -> Iterator[int]:
    position = 0
    while position < len(data):
        number, position = read_varint(data, position)
        yield number


_OF_BYTES: Mapping[str, Callable[[bytes], Any]] = {
    "text": lambda value: value.decode("utf-8", "replace"),
    "id": bytes.hex,
    "fixed64": lambda value: str(int.from_bytes(value, "little")),
    "fixed32": lambda value: int.from_bytes(value, "little"),
    "double": lambda value: _double(unpack("<d", value)[0]),
    "fixed64s": lambda value: [str(number) for number in unpack(f"<{len(value) // 8}Q", value)],
    "varints": lambda value: [str(number) for number in _varints(value)],
    "doubles": lambda value: [_double(number) for number in unpack(f"<{len(value) // 8}d", value)],
}
"""Readers of values that are not integers in protobuf, by kind; other kinds are bytes."""


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a message expected")
    return value
