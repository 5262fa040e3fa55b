"""Attribute values: an encoded AnyValue as a plain Python value, and a plain value as OTLP JSON."""

from __future__ import annotations

import base64
import math
from typing import Any


def text(data: bytes) -> str:
    """Return UTF-8 as text; invalid bytes become U+FFFD."""
    return data.decode("utf-8", "replace")


def plain(value: Any) -> Any:
    """Return an AnyValue as str, bool, int, float, bytes, list, dict or None (if it is empty)."""
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return value.string_value.decode("utf-8", "replace")
    if kind is None:
        return None
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return attributes(value.kvlist_value.values)
    return getattr(value, kind)


def attributes(pairs: Any) -> dict[str, Any]:
    """Return a repeated KeyValue as a dict; the first of equal keys counts, as in Jaeger's look-up."""
    found: dict[str, Any] = {}
    for pair in pairs:
        found.setdefault(pair.key.decode("utf-8", "replace"), plain(pair.value))
    return found


def otlp(value: Any) -> dict[str, Any]:
    """Return a plain value as the AnyValue of OTLP JSON: 64-bit integers as strings, bytes in base64."""
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value if math.isfinite(value) else as_json_number(value)}
    if isinstance(value, bytes):
        return {"bytesValue": base64.b64encode(value).decode("ascii")}
    if isinstance(value, list):
        return {"arrayValue": {"values": [otlp(item) for item in value]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": otlp_attributes(value)}}
    return {}


def as_json_number(value: float) -> str:
    """Return a number that JSON does not have, as protobuf's JSON mapping writes it."""
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def otlp_attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a dict as the list of KeyValue of OTLP JSON."""
    return [{"key": key, "value": otlp(value)} for key, value in values.items()]
