"""Spans of the light provider.

A recorded span is itself the record that is queued for export: plain fields, no copies, no lock (each change is one
atomic operation of the interpreter). Work that can wait (limits of length, redaction, encoding) is done in the
exporter's thread.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from random import getrandbits
from time import time_ns
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from devenv.tracing.light.exceptions import described, exception_attributes
from devenv.tracing.light.native import speed
from devenv.tracing.light.notices import warn_once
from devenv.tracing.light.shared import Shared
from devenv.tracing.light.unsampled import SAMPLED, LocalTrace, new_span_id
from devenv.tracing.light.values import PLAIN, as_text, bounded, clean, nanoseconds, pairs, shorten

if TYPE_CHECKING:
    from types import TracebackType

    from devenv.tracing.light.owner import Owner

_log = logging.getLogger(__name__)

# A span with at most this many own attributes, beside the shared ones, is within limits that are twice as high.
FEW = 24


class LightSpan(Span):
    """A recorded span, and after its end the record of it.

    Attributes:
        parent_id: The parent's span id, 0 for a root.
        shared: Attributes shared with other spans, None for none.
        own: Its own attributes; no key is in both.
        raw_events: Tuples (time in ns, name, attributes, dropped attributes).
        raw_links: Tuples (span context, attributes, dropped attributes).
        eventful: Whether it has what most spans lack: events, links, a status, dropped values.
        ending: Whether the processors are told that it ends.
        records_exceptions: Whether an exception that leaves its `with` block becomes an event.
        fails_on_exceptions: Whether such an exception sets the status.
    """

    __slots__ = (
        "end_time",
        "kind",
        "name",
        "own",
        "parent_id",
        "remote_parent",
        "shared",
        "span_id",
        "start_time",
        "trace",
        "tracer",
    )
    raw_events: list[tuple[int, str, dict[str, Any], int]] | None = None
    raw_links: list[tuple[SpanContext, dict[str, Any], int]] | None = None
    status_code = StatusCode.UNSET
    status_message: str | None = None
    dropped_attributes = 0
    dropped_events = 0
    dropped_links = 0
    eventful = False
    ending = False
    records_exceptions = True
    fails_on_exceptions = True
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
        self.end_time: int | None = None

    def outgoing(self) -> str:
        """Return the `traceparent` that makes the callee a child of this span."""
        trace = self.trace
        return f"00-{trace.hex}-{self.span_id.to_bytes(8, 'big').hex()}-0{trace.flags}"

    def get_span_context(self) -> SpanContext:
        """Return the span's immutable context, created when it is first read."""
        if self._context is None:
            trace = self.trace
            self._context = SpanContext(int(trace.hex, 16), self.span_id, False, TraceFlags(trace.flags), trace.state)
        return self._context

    @property
    def attributes(self) -> dict[str, Any]:
        """All attributes so far within the limit of length, as a new dictionary."""
        found = {**self.shared.values, **self.own} if self.shared is not None else dict(self.own)
        length = self.tracer.limits.span_attribute_length
        return found if length is None else {key: shorten(value, length) for key, value in found.items()}

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
        if not isinstance(key, str) or not key:
            warn_once(_log, "dropped an attribute without a name: %s", as_text(key))
            self.eventful = True
            self.dropped_attributes += 1
            return
        own, shared = self.own, self.shared
        taken = len(own)
        if shared is not None:
            if key in shared.values:
                own, taken = self._unshare(shared), 0
            else:
                taken += len(shared.values)
        if taken < self.tracer.limits.span_attributes or key in own:
            own[key] = clean(value)
            return
        self.eventful = True
        self.dropped_attributes += 1
        warn_once(
            _log, "a span has more than %d attributes; the others are dropped", self.tracer.limits.span_attributes
        )

    def _unshare(self, shared: Shared) -> dict[str, Any]:
        self.own = {**shared.values, **self.own}
        self.shared = None
        return self.own

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Set several attributes."""
        for key, value in pairs(attributes):
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
            warn_once(_log, "a span has more than %d events; the others are dropped", limits.span_events)
            return
        kept, dropped = bounded(attributes, limits.event_attributes)
        stamp = time_ns() if timestamp is None else nanoseconds(timestamp)
        self.raw_events.append((stamp, name if name.__class__ is str else as_text(name), kept, dropped))

    def add_link(self, context: SpanContext, attributes: Mapping[str, Any] | None = None) -> None:
        """Add a link; an invalid context without attributes and tracestate is ignored."""
        if self.end_time is not None:
            _log.warning("link added to an ended span")
            return
        given: Any = context
        if not isinstance(given, SpanContext):
            warn_once(_log, "ignored a link to %s, which is not a span context", type(given).__name__)
            return
        if not (context.is_valid or attributes or context.trace_state):
            return
        self.eventful = True
        if self.raw_links is None:
            self.raw_links = []
        limits = self.tracer.limits
        if len(self.raw_links) >= limits.span_links:
            self.dropped_links += 1
            warn_once(_log, "a span has more than %d links; the others are dropped", limits.span_links)
            return
        kept, dropped = bounded(attributes, limits.link_attributes)
        self.raw_links.append((context, kept, dropped))

    def update_name(self, name: str) -> None:
        """Rename the span."""
        if self.end_time is None:
            self.name = name if name.__class__ is str else as_text(name)
        else:
            _log.warning("span %s renamed after its end", self.name)

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Set the status; OK is final, and UNSET is ignored (OpenTelemetry's rules for span status)."""
        if self.end_time is not None:
            _log.warning("status of span %s set after its end", self.name)
            return
        code: Any
        if isinstance(status, Status):
            if description is not None:
                warn_once(_log, "ignored the description beside a Status: a Status has its own")
            code, message = status.status_code, status.description
        else:
            code, message = status, description
        if not isinstance(code, StatusCode):
            warn_once(_log, "ignored a status that is neither Status nor StatusCode: %s", as_text(code))
            return
        if code is StatusCode.UNSET or self.status_code is StatusCode.OK:
            return
        self.eventful = True
        self.status_code = code
        self.status_message = None if code is not StatusCode.ERROR or message is None else as_text(message)

    def record_exception(
        self,
        exception: BaseException,
        attributes: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        """Add the exception as an event by the semantic conventions."""
        found: dict[Any, Any] = {**exception_attributes(exception), "exception.escaped": as_text(escaped)}
        found.update(pairs(attributes))
        self.add_event("exception", found, timestamp)

    def end(self, end_time: int | None = None) -> None:
        """End the span and pass it to the exporter and the other processors; only the first call counts."""
        if self.end_time is not None:
            _log.warning("span %s ended twice", self.name)
            return
        provider = self.tracer.provider
        if provider.processors:
            provider.finish(self, time_ns() if end_time is None else nanoseconds(end_time))
            return
        self.end_time = time_ns() if end_time is None else nanoseconds(end_time)
        if self.trace.flags & SAMPLED:
            provider.sink(self)

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(exc, Exception) and self.end_time is None:
            if self.records_exceptions:
                self.record_exception(exc)
            if self.fails_on_exceptions:
                self.set_status(StatusCode.ERROR, described(exc))
        self.end()

    # What span processors read, beside the fields: the same names as in the SDK, computed when they are read.

    @property
    def resource(self) -> Any:
        """The SDK's `Resource` of this process."""
        return self.tracer.provider.resource

    @property
    def instrumentation_scope(self) -> Any:
        """The SDK's `InstrumentationScope` of the tracer."""
        return self.tracer.provider.readable(self).instrumentation_scope

    @property
    def instrumentation_info(self) -> Any:
        """The scope under its deprecated name; reading it warns, as with the SDK."""
        return self.tracer.provider.readable(self).instrumentation_info

    @property
    def events(self) -> Any:
        """The events so far, as the SDK's."""
        return self.tracer.provider.readable(self).events

    @property
    def links(self) -> Any:
        """The links so far, as the SDK's."""
        return self.tracer.provider.readable(self).links

    def to_json(self, indent: int | None = 4) -> str:
        """Return the span as JSON in the SDK's form."""
        return str(self.tracer.provider.readable(self).to_json(indent))


if speed is not None:
    speed.use_light(LightSpan, LocalTrace, Shared)
