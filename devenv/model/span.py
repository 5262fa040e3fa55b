"""A span as the trace backend stores it, in OpenTelemetry's terms.

IDs are lowercase hex (32 digits for a trace, 16 for a span). Times are nanoseconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import IntEnum

from devenv.immutable import immutable

Value = str | bool | int | float | bytes | list["Value"] | dict[str, "Value"] | None
"""An attribute value: OTLP's AnyValue."""


NS_PER_MS = 1e6


class SpanKind(IntEnum):
    """OTLP's ``Span.SpanKind``."""

    UNSPECIFIED = 0
    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4
    CONSUMER = 5


class Status(IntEnum):
    """OTLP's ``Status.StatusCode``."""

    UNSET = 0
    OK = 1
    ERROR = 2


@immutable()
class SpanEvent:
    """An event at one instant of a span."""

    time_ns: int
    name: str
    attributes: Mapping[str, Value] = field(default_factory=dict)


@immutable()
class SpanLink:
    """A reference to a span of this or another trace that is not the parent."""

    trace_id: str
    span_id: str
    attributes: Mapping[str, Value] = field(default_factory=dict)


@immutable(kw_only=True)
class Span:
    """One span.

    Attributes:
        parent_id: ``None`` for a root.
        service: the resource's ``service.name``.
        status_message: the description that goes with an error status.
        resource: attributes of the resource, ``service.name`` included.
        scope, scope_version: name and version of the instrumentation scope.
        trace_state: W3C ``tracestate``, as sent.
    """

    trace_id: str
    span_id: str
    parent_id: str | None = None
    service: str
    name: str
    kind: SpanKind = SpanKind.UNSPECIFIED
    start_ns: int
    end_ns: int
    status: Status = Status.UNSET
    status_message: str = ""
    attributes: Mapping[str, Value] = field(default_factory=dict)
    events: tuple[SpanEvent, ...] = ()
    links: tuple[SpanLink, ...] = ()
    resource: Mapping[str, Value] = field(default_factory=dict)
    scope: str = ""
    scope_version: str = ""
    trace_state: str = ""

    @property
    def duration_ns(self) -> int:
        """Duration in nanoseconds, 0 if the end is before the start."""
        return max(self.end_ns - self.start_ns, 0)

    @property
    def is_error(self) -> bool:
        """Whether the status is an error."""
        return self.status is Status.ERROR
