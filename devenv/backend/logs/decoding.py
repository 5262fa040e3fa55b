"""Stored log records, decoded."""

from __future__ import annotations

from typing import Any

from devenv.backend.logs.records import StoredRecord
from devenv.model.log import LogRecord
from devenv.otlp import messages
from devenv.otlp.values import attributes, plain, text


def decoded(record: StoredRecord) -> Any:
    """Return the record as ``messages.LogRecord``."""
    return messages.LogRecord.FromString(record.payload)


def model_record(record: StoredRecord) -> LogRecord:
    """Return the record as a value of the model."""
    found = decoded(record)
    return LogRecord(
        time_ns=record.time,
        service=record.scope.service.name,
        severity=record.severity,
        severity_text=text(found.severity_text),
        body=plain(found.body) if found.HasField("body") else None,
        trace_id=record.trace_id.hex(),
        span_id=span_id_of(found),
        event_name=text(found.event_name),
        attributes=attributes(found.attributes),
        resource=record.scope.resource,
        scope=record.scope.name,
    )


def span_id_of(found: Any) -> str:
    """Return the ID of a decoded record's span as hex digits; empty if it has none, or one of zeros."""
    span_id: bytes = found.span_id
    return span_id.hex() if any(span_id) else ""
