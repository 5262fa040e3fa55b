"""Log records as the trace backend stores them, in OpenTelemetry's terms, and lines of logs as commands show them."""

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


@immutable(kw_only=True)
class ServiceLine:
    """One line: a line of an instance's output, a log record, or an event of a span.

    Attributes:
        instance: number of the instance; 0 if it is not known.
        time: seconds since the epoch, when the line was read; of a record or an event its own time.
        stream: stdout or stderr; otlp for a log record, event for an event of a span; devenv for what devenv says.
        trace_id, span_id, severity, message: what the line says; ``None`` if it does not. ``message`` is that of JSON.
        logged: the time in the line, or of the record that repeats it, in seconds since the epoch.
        attributes: of the record or the event.
        repeated: whether the service also sent the line as a log record, which is not shown a second time.
    """

    service: str
    instance: int
    time: float
    stream: str
    text: str
    trace_id: str | None
    span_id: str | None = None
    severity: str | None = None
    message: str | None = None
    logged: float | None = None
    attributes: Mapping[str, Value] = field(default_factory=dict)
    repeated: bool = False
