"""What a line of a service's output says: its trace, span, severity, message and time, if they are in it.

Lines in JSON are read by the names that logging libraries and OpenTelemetry give their fields. In another line, an ID
is found after a key such as ``trace_id`` or in a ``traceparent``, and a severity after ``level=`` or as a word in
capitals.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from devenv.immutable import immutable
from devenv.model.severity import level_of, severity_number

_TRACE_ID = re.compile(r"(?i)trace[._-]?id\W{1,4}([0-9a-f]{32})\b|\b00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}\b")
_SPAN_ID = re.compile(r"(?i)span[._-]?id\W{1,4}([0-9a-f]{16})\b|\b00-[0-9a-f]{32}-([0-9a-f]{16})-[0-9a-f]{2}\b")
_LEVEL = re.compile(r"(?i)\b(?:level|lvl|severity)\s?[=:]\s?[\"']?([a-z]+)")
_WORD = re.compile(r"\b(TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|SEVERE|FATAL|CRITICAL)\b")
_HEX = re.compile(r"(?i)[0-9a-f]{32}|[0-9a-f]{16}")
# Where a logging library writes the severity: later in a line, the word is part of what it says.
_HEAD = 80
_MAX_JSON = 256 * 1024

_TRACE = ("trace_id", "traceId", "traceID", "TraceId", "trace.id", "otelTraceID", "dd.trace_id", "traceid")
_SPAN = ("span_id", "spanId", "spanID", "SpanId", "span.id", "otelSpanID", "dd.span_id", "spanid")
_SEVERITY = (
    "severity", "level", "levelname", "log.level", "severity_text", "severityText", "SeverityText", "lvl", "loglevel",
    "LogLevel", "Level", "@l",
)  # fmt: skip
_MESSAGE = ("message", "msg", "body", "Body", "Message", "@m", "@mt", "event", "RenderedMessage")
_TIME = ("timestamp", "time", "@timestamp", "ts", "Timestamp", "@t", "datetime")
# Objects in which some libraries have their fields: Datadog's {"dd": {"trace_id": …}}, ECS's {"trace": {"id": …}}.
_INNER = ("dd", "trace", "span", "log", "otel", "context", "mdc", "contextMap", "properties", "Properties", "extra")
# Seconds, milliseconds, microseconds or nanoseconds since the epoch, by their size: from 2001 to 2286 in each unit.
_UNITS = ((10**9, 10**10, 1), (10**12, 10**13, 10**3), (10**15, 10**16, 10**6), (10**18, 10**19, 10**9))


@immutable(kw_only=True)
class Said:
    """What is in a line; ``None`` if it is not.

    Attributes:
        trace_id: 32 hexadecimal digits; 16 if the line has only the lower half.
        severity: a level, such as ``WARN``.
        message: of a line in JSON.
        time: the line's, in seconds since the epoch.
    """

    trace_id: str | None = None
    span_id: str | None = None
    severity: str | None = None
    message: str | None = None
    time: float | None = None


def said_in(text: str) -> Said:
    """Return what a line says."""
    document = _document(text)
    if document is not None:
        return _from_json(document, text)
    return Said(
        trace_id=_in_text(_TRACE_ID, text),
        span_id=_in_text(_SPAN_ID, text),
        severity=_plain_severity(text),
    )


def is_of_trace(text: str, found: str | None, wanted: str) -> bool:
    """Return whether a line belongs to a trace: it contains the ID, or has the lower half of it in its field for IDs.

    Args:
        text: the line.
        found: the ID in its field.
        wanted: the trace's ID, or a part of one, in lowercase.
    """
    if wanted in text.lower() or (found is not None and wanted in found):
        return True
    return found is not None and len(wanted) > 16 and len(found) == 16 and wanted.zfill(32).endswith(found)


def _document(text: str) -> dict[str, Any] | None:
    start = text.find("{", 0, 200)  # some lines have a prefix
    if start < 0 or not text.rstrip().endswith("}") or len(text) > _MAX_JSON:
        return None
    try:
        found = json.loads(text[start:])
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _from_json(document: Mapping[str, Any], text: str) -> Said:
    parts = [document, *(part for name in _INNER if isinstance(part := document.get(name), dict))]
    trace = _id(parts, _TRACE, 32) or _inner_id(document, "trace", 32)
    message = _first(parts, _MESSAGE)
    return Said(
        trace_id=trace or _in_text(_TRACE_ID, text),
        span_id=_id(parts, _SPAN, 16) or _inner_id(document, "span", 16),
        severity=_severity(_first(parts, _SEVERITY)),
        message=message if isinstance(message, str) else None,
        time=_time(_first(parts, _TIME)),
    )


def _in_text(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    digits = (found[1] or found[2]).lower() if found else ""
    return digits if digits.strip("0") else None


def _first(parts: list[Mapping[str, Any]], names: tuple[str, ...]) -> Any:
    """The first value under one of the names that is neither empty nor an object or list."""
    for part in parts:
        for name in names:
            value = part.get(name)
            if value is not None and value != "" and not isinstance(value, dict | list):
                return value
    return None


def _id(parts: list[Mapping[str, Any]], names: tuple[str, ...], digits: int) -> str | None:
    value = _first(parts, names)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return None
    if value.isascii() and value.isdecimal() and len(value) not in {16, 32}:  # Datadog's: the lower 64 bits, decimal
        return f"{int(value):016x}" if len(value) <= 20 and 0 < int(value) < 1 << 64 else None
    if not _HEX.fullmatch(value) or len(value) > digits or not value.strip("0"):
        return None
    return value.lower()


def _inner_id(document: Mapping[str, Any], name: str, digits: int) -> str | None:
    part = document.get(name)
    return _id([part], ("id",), digits) if isinstance(part, dict) else None


def _severity(value: Any) -> str | None:
    if isinstance(value, str):
        return level_of(severity_number(value)) or None
    if isinstance(value, int) and not isinstance(value, bool) and 10 <= value < 70:  # pino's and bunyan's numbers
        return level_of(4 * (value // 10) - 3)
    return None


def _plain_severity(text: str) -> str | None:
    head = text[:_HEAD]
    named = _LEVEL.search(head)
    if named and (level := level_of(severity_number(named[1]))):
        return level
    word = _WORD.search(head)
    return level_of(severity_number(word[1])) if word else None


def _time(value: Any) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return next((value / unit for least, most, unit in _UNITS if least <= value < most), None)
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        found = datetime.fromisoformat(value.strip().replace(",", "."))
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
