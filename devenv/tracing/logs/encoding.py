"""Encodes log records as an OTLP `ExportLogsServiceRequest`.

Field numbers: opentelemetry-proto's logs.proto (https://github.com/open-telemetry/opentelemetry-proto). Those of
`ResourceLogs` and `ScopeLogs` are the same as of `ResourceSpans` and `ScopeSpans`.
"""

from __future__ import annotations

from operator import attrgetter
from struct import Struct
from typing import Any, NamedTuple

from devenv.tracing.export.encoding import Encoder, any_value
from devenv.tracing.export.wire import block, text, varint

_TIMES = Struct("<BQBQ")  # time_unix_nano = 1, observed_time_unix_nano = 11
_FLAGS = Struct("<BI")  # flags = 8


class LogItem(NamedTuple):
    """A log record as it is queued.

    Attributes:
        scope: Instrumentation scope: the logger's name, version, schema URL, attributes.
        time: Nanoseconds since the epoch.
        severity: OpenTelemetry's severity number, 0 to 24.
        level: The level's name.
        body: The message.
        attributes: Attributes, cleaned.
        dropped: Number of attributes above the limit.
        trace_id: 32 hexadecimal digits; empty outside a trace.
        span_id: 16 hexadecimal digits; empty outside a trace.
        flags: The trace flags.
    """

    scope: tuple[Any, ...]
    time: int
    severity: int
    level: str
    body: str
    attributes: dict[str, Any]
    dropped: int
    trace_id: str
    span_id: str
    flags: int


class LogEncoder(Encoder):
    """Encodes batches of log records; secrets are redacted as in spans."""

    scope = attrgetter("scope")

    def encode(self, item: Any) -> bytes:
        """Return a log record as a field of `ScopeLogs`."""
        parts = [
            _TIMES.pack(0x09, item.time, 0x59, item.time),
            b"\x10" + varint(item.severity),
            text(b"\x1a", item.level),
            block(b"\x2a", any_value(self._redactor.text(item.body))),
            self._others(b"\x32", item.attributes),
        ]
        if item.dropped:
            parts.append(b"\x38" + varint(item.dropped))
        if item.trace_id:
            parts.append(_FLAGS.pack(0x45, item.flags))
            parts.append(block(b"\x4a", bytes.fromhex(item.trace_id)) + block(b"\x52", bytes.fromhex(item.span_id)))
        return block(b"\x12", b"".join(parts))
