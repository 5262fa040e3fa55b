"""Spans that are not recorded, and what all spans of one trace share."""

from __future__ import annotations

from collections.abc import Mapping
from random import getrandbits
from typing import TYPE_CHECKING, Any, Protocol

from opentelemetry.trace import INVALID_SPAN, NonRecordingSpan, Span, SpanContext, Status, StatusCode, TraceFlags
from opentelemetry.trace.span import TraceState

from devenv.tracing.light.native import speed

if TYPE_CHECKING:
    from types import TracebackType

SAMPLED = 0x01
RANDOM = 0x02
NO_STATE = TraceState()


def new_span_id() -> int:
    """Return a random span ID that is not zero."""
    return getrandbits(64) or new_span_id()


def new_trace_hex() -> str:
    """Return a random trace ID that is not zero, as 32 hexadecimal digits."""
    return (getrandbits(128) or 1).to_bytes(16, "big").hex()  # a format specification takes three times as long


class LocalTrace:
    """The common part of the recorded spans of one trace in this process.

    Attributes:
        hex: Trace ID as 32 lowercase hexadecimal digits.
        flags: W3C trace flags of spans in it (sampled, random).
        state: The tracestate to propagate.
        spans: Spans recorded so far.
    """

    __slots__ = ("flags", "hex", "spans", "state")

    def __init__(self, trace_hex: str, flags: int, state: TraceState = NO_STATE) -> None:
        self.hex = trace_hex
        self.flags = flags
        self.state = state
        self.spans = 0


class UnsampledSpan(NonRecordingSpan):
    """The span of a trace that is not recorded; it creates a span ID only when it is read.

    Attributes:
        hex: Trace ID as 32 lowercase hexadecimal digits.
        flags: W3C trace flags, with sampled cleared.
        state: The tracestate to propagate.
    """

    __slots__ = ("flags", "hex", "state")
    _id = 0
    _read_context: SpanContext | None = None

    def __init__(self, trace_hex: str, flags: int, state: TraceState = NO_STATE) -> None:
        self.hex = trace_hex
        self.flags = flags
        self.state = state

    def outgoing(self) -> str:
        """Return a `traceparent` for one call: a new parent ID, because no span exists that could be the parent."""
        return f"00-{self.hex}-{(getrandbits(64) or 1).to_bytes(8, 'big').hex()}-0{self.flags}"

    @property
    def span_id(self) -> int:
        """The span ID, created when it is first read."""
        if not self._id:
            self._id = new_span_id()
        return self._id

    def get_span_context(self) -> SpanContext:
        """Return the context with the sampled flag cleared."""
        if self._read_context is None:
            flags = TraceFlags(self.flags)
            self._read_context = SpanContext(int(self.hex, 16), self.span_id, False, flags, self.state)
        return self._read_context

    def __enter__(self) -> Span:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Do nothing."""

    def is_recording(self) -> bool:
        """Return False."""
        return False

    def end(self, end_time: int | None = None) -> None:
        """Do nothing."""

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Do nothing."""

    def set_attribute(self, key: str, value: Any) -> None:
        """Do nothing."""

    def add_event(self, name: str, attributes: Any = None, timestamp: int | None = None) -> None:
        """Do nothing."""

    def add_link(self, context: SpanContext, attributes: Any = None) -> None:
        """Do nothing."""

    def update_name(self, name: str) -> None:
        """Do nothing."""

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Do nothing."""

    def record_exception(
        self, exception: BaseException, attributes: Any = None, timestamp: int | None = None, escaped: bool = False
    ) -> None:
        """Do nothing."""


if speed is not None:
    speed.use_unsampled(UnsampledSpan, NO_STATE, INVALID_SPAN)


class Ancestor(Protocol):
    """What a surplus span uses of the recorded span above it."""

    trace: LocalTrace
    span_id: int

    def get_span_context(self) -> SpanContext:
        """Return its context."""


class SurplusSpan(UnsampledSpan):
    """A span beyond the trace limit: not recorded, and replaced downstream by its nearest recorded ancestor."""

    def __init__(self, ancestor: Ancestor) -> None:
        super().__init__(ancestor.trace.hex, ancestor.trace.flags, ancestor.trace.state)
        self.ancestor = ancestor

    @property
    def span_id(self) -> int:
        """The ancestor's span ID."""
        return self.ancestor.span_id

    def get_span_context(self) -> SpanContext:
        """Return the ancestor's context, so that spans below have an existing parent."""
        return self.ancestor.get_span_context()
