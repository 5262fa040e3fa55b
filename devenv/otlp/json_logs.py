"""Log records of OTLP in JSON, encoded as protobuf.

Format: https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/logs/v1/logs.proto
"""

from __future__ import annotations

from devenv.model.severity import LEVELS
from devenv.otlp import messages
from devenv.otlp.deep_values import TooDeep
from devenv.otlp.json_fields import Document, an_object, enum, identifier, integer, set_attributes, set_value, text_of
from devenv.otlp.json_requests import REFUSED, JsonSignal

# UNSPECIFIED, TRACE, TRACE2, TRACE3, TRACE4, DEBUG, …
_SEVERITIES = ("UNSPECIFIED", *(f"{level}{number or ''}" for level in LEVELS for number in (0, 2, 3, 4)))


def encoded_record(document: Document) -> bytes:
    """Return a log record in protobuf; ``REFUSED`` if one of its values is nested too deep, or if it is empty."""
    try:
        return _record(document)
    except (TooDeep, RecursionError):
        return REFUSED


def _record(document: Document) -> bytes:
    record = messages.LogRecord(
        time=integer(document, "timeUnixNano", "time_unix_nano"),
        observed_time=integer(document, "observedTimeUnixNano", "observed_time_unix_nano"),
        severity=enum(document, "SEVERITY_NUMBER_", _SEVERITIES, "severityNumber", "severity_number"),
        severity_text=text_of(document, "severityText", "severity_text"),
        dropped_attributes=integer(document, "droppedAttributesCount", "dropped_attributes_count"),
        flags=integer(document, "flags"),
        trace_id=identifier(document, 16, "traceId", "trace_id"),
        span_id=identifier(document, 8, "spanId", "span_id"),
        event_name=text_of(document, "eventName", "event_name"),
    )
    body = an_object(document, "body")
    if body:
        set_value(record.body, body)
    set_attributes(record.attributes, document)
    encoded: bytes = record.SerializeToString()
    return encoded


LOGS = JsonSignal(
    ("resourceLogs", "resource_logs"), ("scopeLogs", "scope_logs"), ("logRecords", "log_records"), encoded_record
)
