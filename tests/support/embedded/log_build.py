"""OTLP requests of log records for tests, made with the official protobuf classes."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs
from otlp_build import any_value, set_attributes


def make_record(
    body: Any = "hello",
    *,
    trace: bytes = b"",
    span: bytes = b"",
    at: int | None = None,
    severity: int = 9,
    severity_text: str = "",
    attributes: dict[str, Any] | None = None,
    event: str = "",
) -> LogRecord:
    """One record; ``at`` in ns, now unless given."""
    record = LogRecord(
        time_unix_nano=time.time_ns() if at is None else at,
        trace_id=trace,
        span_id=span,
        severity_number=severity,  # type: ignore[arg-type]  # numbers of later versions, too
        severity_text=severity_text,
        event_name=event,
    )
    if body is not None:
        record.body.CopyFrom(any_value(body))
    set_attributes(record.attributes, attributes or {})
    return record


def resource_logs(service: str | None, *records: LogRecord, resource: dict[str, Any] | None = None) -> ResourceLogs:
    """Records of one service."""
    found = ResourceLogs()
    if service is not None:
        found.resource.attributes.add(key="service.name").value.string_value = service
    set_attributes(found.resource.attributes, resource or {})
    group = found.scope_logs.add()
    group.scope.name = "tests"
    group.log_records.extend(records)
    return found


def log_request(*parts: ResourceLogs) -> bytes:
    """An encoded ExportLogsServiceRequest."""
    return ExportLogsServiceRequest(resource_logs=parts).SerializeToString()


def logged(service: str, *records: LogRecord, **more: Any) -> bytes:
    """An encoded request with the records of one service."""
    return log_request(resource_logs(service, *records, **more))


def as_json(body: bytes) -> bytes:
    """The same request in OTLP's JSON, whose IDs are in hexadecimal."""
    document = MessageToDict(ExportLogsServiceRequest.FromString(body), use_integers_for_enums=True)
    for part in document.get("resourceLogs", ()):
        for scope in part.get("scopeLogs", ()):
            for record in scope.get("logRecords", ()):
                for name in ("traceId", "spanId"):
                    if name in record:
                        record[name] = base64.b64decode(record[name]).hex()
    return json.dumps(document).encode()
