"""Attribute values as Jaeger shows and compares them.

OpenTelemetry's Go library prints them so (``pcommon.Value.AsString``): numbers as JavaScript does, bytes in base64,
lists and maps as JSON with sorted keys and HTML's characters escaped.
"""

from __future__ import annotations

import base64
import json
import math
from typing import Any

_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


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
