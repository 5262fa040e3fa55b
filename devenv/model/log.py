"""A log record as the trace backend stores it, in OpenTelemetry's terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from devenv.immutable import immutable
from devenv.model.span import Value


@immutable(kw_only=True)
class LogRecord:
    """One log record.

    Attributes:
        time_ns: nanoseconds since the epoch; when it was observed if it has no time itself.
        severity: OpenTelemetry's number; 0 if it is not known.
        severity_text: as the service names it.
        trace_id, span_id: lowercase hex; empty if it belongs to none.
        event_name: what identifies its kind, if it is an event.
    """

    time_ns: int
    service: str
    severity: int = 0
    severity_text: str = ""
    body: Value = None
    trace_id: str = ""
    span_id: str = ""
    event_name: str = ""
    attributes: Mapping[str, Value] = field(default_factory=dict)
    resource: Mapping[str, Value] = field(default_factory=dict)
    scope: str = ""
