"""Spans of the light provider.

A recorded span is itself the record that is queued for export: plain fields, no copies, no lock (each change is one
atomic operation of the interpreter). Work that can wait (limits of length, redaction, encoding) is done in the
exporter's thread.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from random import getrandbits
from time import time_ns
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.span import TraceState

from devenv.tracing.light.shared import Shared
from devenv.tracing.light.values import PLAIN, bounded, clean

if TYPE_CHECKING:
    from types import TracebackType

    from devenv.tracing.light.owner import Owner

_log = logging.getLogger(__name__)

SAMPLED = 0x01
RANDOM = 0x02
NO_STATE = TraceState()
# A span with at most this many own attributes, beside the shared ones, is within limits that are twice as high.
FEW = 24


def new_span_id() -> int:
    """Return a random span ID that is not zero."""
    return getrandbits(64) or new_span_id()


def new_trace_hex() -> str:
    """Return a random trace ID that is not zero, as 32 hexadecimal digits."""
    return (getrandbits(128) or 1).to_bytes(16).hex()  # a format specification takes three times as long


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


class UnsampledSpan(Span):
    """The span of a trace that is not recorded; it creates a span ID only when it is read.

    Attributes:
        hex: Trace ID as 32 lowercase hexadecimal digits.
        flags: W3C trace flags, with sampled cleared.
        state: The tracestate to propagate.
    """

    _id = 0
    _context: SpanContext | None = None

    def __init__(self, trace_hex: str, flags: int, state: TraceState = NO_STATE) -> None:
        self.hex = trace_hex
        self.flags = flags
        self.state = state

    def outgoing(self) -> str:
        """Return a `traceparent` for one call: a new parent ID, because no span exists that could be the parent."""
        return f"00-{self.hex}-{(getrandbits(64) or 1).to_bytes(8).hex()}-0{self.flags}"

    @property
    def span_id(self) -> int:
        """The span ID, created when it is first read."""
        if not self._id:
            self._id = new_span_id()
        return self._id

    def get_span_context(self) -> SpanContext:
        """Return the context with the sampled flag cleared."""
        if self._context is None:
            flags = TraceFlags(self.flags)
            self._context = SpanContext(int(self.hex, 16), self.span_id, False, flags, self.state)
        return self._context

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


class SurplusSpan(UnsampledSpan):
    """A span beyond the trace limit: not recorded, and replaced downstream by its nearest recorded ancestor."""

    def __init__(self, ancestor: LightSpan) -> None:
        super().__init__(ancestor.trace.hex, ancestor.trace.flags, ancestor.trace.state)
        self.ancestor = ancestor

    @property
    def span_id(self) -> int:
        """The ancestor's span ID."""
        return self.ancestor.span_id

    def get_span_context(self) -> SpanContext:
        """Return the ancestor's context, so that spans below have an existing parent."""
        return self.ancestor.get_span_context()


class LightSpan(Span):
    """A recorded span, and after its end the record of it.

    Attributes:
        parent_id: The parent's span id, 0 for a root.
        shared: Attributes shared with other spans, None for none.
        own: Its own attributes; no key is in both.
        raw_events: Tuples (time in ns, name, attributes, dropped attributes).
        raw_links: Tuples (span context, attributes, dropped attributes).
        eventful: Whether it has what most spans lack: events, links, a status, dropped values.
    """

    end_time: int | None = None
    raw_events: list[tuple[int, str, dict[str, Any], int]] | None = None
    raw_links: list[tuple[SpanContext, dict[str, Any], int]] | None = None
    status_code = StatusCode.UNSET
    status_message: str | None = None
    dropped_attributes = 0
    dropped_events = 0
    dropped_links = 0
    eventful = False
    _context: SpanContext | None = None

    def __init__(
        self,
        tracer: Owner,
        trace: LocalTrace,
        name: str,
        kind: SpanKind,
        parent_id: int,
        remote_parent: bool,
        shared: Shared | None,
        own: dict[str, Any],
        start_time: int,
    ) -> None:
        self.tracer = tracer
        self.trace = trace
        self.name = name
        self.kind = kind
        self.parent_id = parent_id
        self.remote_parent = remote_parent
        self.span_id = getrandbits(64) or new_span_id()
        self.shared = shared
        self.own = own
        self.start_time = start_time

    def outgoing(self) -> str:
        """Return the `traceparent` that makes the callee a child of this span."""
        trace = self.trace
        return f"00-{trace.hex}-{self.span_id.to_bytes(8).hex()}-0{trace.flags}"

    def get_span_context(self) -> SpanContext:
        """Return the span's immutable context, created when it is first read."""
        if self._context is None:
            trace = self.trace
            self._context = SpanContext(int(trace.hex, 16), self.span_id, False, TraceFlags(trace.flags), trace.state)
        return self._context

    @property
    def attributes(self) -> dict[str, Any]:
        """All attributes so far, as a new dictionary."""
        return {**self.shared.values, **self.own} if self.shared is not None else dict(self.own)

    @property
    def context(self) -> SpanContext:
        """The same as `get_span_context`, under the name that span processors use."""
        return self.get_span_context()

    @property
    def parent(self) -> SpanContext | None:
        """The parent's context, None for a root."""
        if not self.parent_id:
            return None
        trace = self.trace
        return SpanContext(int(trace.hex, 16), self.parent_id, self.remote_parent, TraceFlags(trace.flags), trace.state)

    @property
    def status(self) -> Status:
        """The status so far."""
        return Status(self.status_code, self.status_message)

    def is_recording(self) -> bool:
        """Return whether the span has not ended."""
        return self.end_time is None

    def set_attribute(self, key: str, value: Any) -> None:
        """Set one attribute; beyond the limit it is counted and left out."""
        own, shared = self.own, self.shared
        # Most attributes: few so far, a plain type, and a key that is not shared.
        if (
            len(own) < FEW
            and value.__class__ in PLAIN
            and key.__class__ is str
            and key
            and self.end_time is None
            and self.tracer.roomy
            and (shared is None or key not in shared.values)
        ):
            own[key] = value
        else:
            self._set(key, value)

    def _set(self, key: Any, value: Any) -> None:
        if self.end_time is not None:
            _log.warning("attribute %s set on an ended span", key)
            return
        own, shared = self.own, self.shared
        taken = len(own)
        if shared is not None:
            if key in shared.values:
                own, taken = self._unshare(shared), 0
            else:
                taken += len(shared.values)
        if not key or not isinstance(key, str):
            _log.warning("dropped an attribute without a name: %r", key)
        elif taken < self.tracer.limits.span_attributes or key in own:
            own[key] = clean(value)
            return
        self.eventful = True
        self.dropped_attributes += 1

    def _unshare(self, shared: Shared) -> dict[str, Any]:
        self.own = {**shared.values, **self.own}
        self.shared = None
        return self.own

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Set several attributes."""
        for key, value in attributes.items():
            self.set_attribute(key, value)

    def add_event(self, name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None) -> None:
        """Add an event; beyond the limit it is counted and left out."""
        if self.end_time is not None:
            _log.warning("event %s added to an ended span", name)
            return
        self.eventful = True
        if self.raw_events is None:
            self.raw_events = []
        limits = self.tracer.limits
        if len(self.raw_events) >= limits.span_events:
            self.dropped_events += 1
            return
        kept, dropped = bounded(attributes, limits.event_attributes)
        self.raw_events.append((timestamp if timestamp is not None else time_ns(), name, kept, dropped))

    def add_link(self, context: SpanContext, attributes: Mapping[str, Any] | None = None) -> None:
        """Add a link; an invalid context without attributes and tracestate is ignored."""
        if self.end_time is not None:
            _log.warning("link added to an ended span")
            return
        if not (context.is_valid or attributes or context.trace_state):
            return
        self.eventful = True
        if self.raw_links is None:
            self.raw_links = []
        limits = self.tracer.limits
        if len(self.raw_links) >= limits.span_links:
            self.dropped_links += 1
            return
        kept, dropped = bounded(attributes, limits.link_attributes)
        self.raw_links.append((context, kept, dropped))

    def update_name(self, name: str) -> None:
        """Rename the span."""
        if self.end_time is None:
            self.name = name

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Set the status; OK is final, and UNSET is ignored (OpenTelemetry's rules for span status)."""
        if self.end_time is not None or self.status_code is StatusCode.OK:
            return
        if isinstance(status, Status):
            code, message = status.status_code, status.description
        else:
            code, message = status, description
        if code is StatusCode.UNSET:
            return
        self.eventful = True
        self.status_code = code
        self.status_message = message if code is StatusCode.ERROR else None

    def record_exception(
        self,
        exception: BaseException,
        attributes: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        """Add the exception as an event by the semantic conventions."""
        described = {**exception_attributes(exception), "exception.escaped": str(escaped), **(attributes or {})}
        self.add_event("exception", described, timestamp)

    def end(self, end_time: int | None = None) -> None:
        """End the span and pass it to the exporter and the other processors; only the first call counts."""
        if self.end_time is not None:
            _log.warning("span %s ended twice", self.name)
            return
        self.end_time = end_time if end_time is not None else time_ns()
        provider = self.tracer.provider
        if self.trace.flags & SAMPLED:
            provider.sink(self)
        if provider.processors:
            provider.process(self)

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(exc, Exception) and self.end_time is None:
            self.record_exception(exc)
            self.set_status(StatusCode.ERROR, f"{type(exc).__name__}: {exc}")
        self.end()


def exception_attributes(exception: BaseException) -> dict[str, str]:
    """Return the `exception.*` attributes of the semantic conventions."""
    kind = type(exception)
    module = kind.__module__
    name = kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"
    return {
        "exception.type": name,
        "exception.message": str(exception),
        "exception.stacktrace": "".join(traceback.format_exception(exception)),
    }
