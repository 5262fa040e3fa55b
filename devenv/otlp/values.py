"""Attribute values: what an encoded AnyValue means, as Python, as OTLP JSON and as Jaeger's text.

Jaeger compares and shows values as OpenTelemetry's Go library prints them (``pcommon.Value.AsString``): numbers as
JavaScript does, bytes in base64, lists and maps as JSON with sorted keys and HTML's characters escaped.
"""

from __future__ import annotations

import base64
import json
import math
from typing import Any

_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def text(data: bytes) -> str:
    """UTF-8 as text; what is not UTF-8 becomes U+FFFD."""
    return data.decode("utf-8", "replace")


def plain(value: Any) -> Any:
    """An AnyValue as str, bool, int, float, bytes, list, dict or None (where it holds nothing)."""
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
    """A repeated KeyValue as a dict; the first of equal keys counts, as in Jaeger's look-up."""
    found: dict[str, Any] = {}
    for pair in pairs:
        found.setdefault(pair.key.decode("utf-8", "replace"), plain(pair.value))
    return found


def as_text(value: Any) -> str:
    """A plain value as Jaeger prints and compares it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return "" if value is None else _json(value)


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    # repr has the shortest digits that read back as the same number; only its notation differs from JavaScript's.
    mantissa, _, exponent = repr(value).partition("e")
    mantissa = mantissa.removesuffix(".0")
    if not exponent:
        return mantissa
    power = int(exponent)
    if power < -6 or power >= 21:
        return f"{mantissa}e{power:+d}"
    sign = "-" if value < 0 else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits = whole + fraction
    return f"{sign}{digits.ljust(power + 1, '0')}" if power > 0 else f"{sign}0.{'0' * (-power - 1)}{digits}"


def _json(value: Any) -> str:
    if isinstance(value, str):
        shown = json.dumps(value, ensure_ascii=False)
        for character, escape in _ESCAPES.items():
            shown = shown.replace(character, escape)
        return shown
    if isinstance(value, dict):
        inner = ",".join(f"{_json(key)}:{_json(value[key])}" for key in sorted(value))
        return f"{{{inner}}}"
    if isinstance(value, list):
        return f"[{','.join(map(_json, value))}]"
    if value is None:
        return "null"
    if isinstance(value, bytes):
        return f'"{as_text(value)}"'
    return as_text(value)


def otlp(value: Any) -> dict[str, Any]:
    """A plain value as the AnyValue of OTLP JSON: 64-bit integers as strings, bytes in base64."""
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
    """A number that JSON does not have, as protobuf's JSON mapping writes it."""
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def otlp_attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    """A dict as the list of KeyValue of OTLP JSON."""
    return [{"key": key, "value": otlp(value)} for key, value in values.items()]
