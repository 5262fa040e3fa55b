"""The parameters and the JSON of ``/api/devenv/logs``, which devenv's commands ask the embedded backend for."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from devenv.model.log import LogRecord
from devenv.model.severity import level_of
from devenv.model.span import Value
from devenv.otlp.values import as_json_number
from devenv.traces.logs.source import LogQuery, text_of
from devenv.traces.query import rfc3339


def log_parameters(query: LogQuery) -> str:
    """Return a query as a query string."""
    fields = [
        ("traceID", query.trace_id),
        ("spanID", query.span_id),
        ("severity", str(query.severity or "")),
        ("since", rfc3339(query.start_ns) if query.start_ns > 0 else ""),
        ("until", rfc3339(query.end_ns) if query.end_ns else ""),
        ("text", query.text),
        ("limit", str(query.limit)),
        ("before", query.before),
        ("arrivedFrom", str(query.arrived_from or "")),
        ("arrivedBefore", "" if query.arrived_before is None else str(query.arrived_before)),
        *(("service", name) for name in query.services),
        *(("attribute", f"{key}={value}") for key, value in query.attributes.items()),
    ]
    return urlencode([(name, value) for name, value in fields if value])


def record_json(record: LogRecord) -> dict[str, Any]:
    """Return a record as an object; 64-bit times as text, bytes in base64."""
    return {
        "time_unix_nano": str(record.time_ns),
        "service": record.service,
        "severity": level_of(record.severity),
        "severity_number": record.severity,
        "severity_text": record.severity_text,
        "text": text_of(record),
        "body": _plain(record.body),
        "trace_id": record.trace_id,
        "span_id": record.span_id,
        "event_name": record.event_name,
        "attributes": plain_map(record.attributes),
        "resource": plain_map(record.resource),
        "scope": record.scope,
    }


def parse_record(found: Mapping[str, Any]) -> LogRecord:
    """Return the record in an object.

    Raises:
        ValueError, KeyError, TypeError: If it is not one.
    """
    return LogRecord(
        time_ns=int(found["time_unix_nano"]),
        service=str(found["service"]),
        severity=int(found["severity_number"]),
        severity_text=str(found["severity_text"]),
        body=found["body"],
        trace_id=str(found["trace_id"]),
        span_id=str(found["span_id"]),
        event_name=str(found["event_name"]),
        attributes=dict(found["attributes"]),
        resource=dict(found["resource"]),
        scope=str(found["scope"]),
    )


def _plain(value: Value) -> Any:
    """The value as JSON has it."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, float) and not math.isfinite(value):
        return as_json_number(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return plain_map(value) if isinstance(value, dict) else value


def plain_map(values: Mapping[str, Value]) -> dict[str, Any]:
    """Return attributes as JSON has them; bytes in base64."""
    return {key: _plain(value) for key, value in values.items()}
