"""Context propagation between processes: W3C Trace Context Level 2 and W3C Baggage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import Any, Protocol

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import (
    CarrierT,
    Getter,
    Setter,
    TextMapPropagator,
    default_getter,
    default_setter,
)
from opentelemetry.trace import NonRecordingSpan, Span
from opentelemetry.trace.span import TraceState

from devenv.tracing.context.ambient import SPAN_KEY, current
from devenv.tracing.context.baggage_header import BAGGAGE_KEY, format_header
from devenv.tracing.context.baggage_header import parse as parse_baggage
from devenv.tracing.context.traceparent import KNOWN_FLAGS, remote_context
from devenv.tracing.light.span import LightSpan
from devenv.tracing.light.unsampled import NO_STATE, SurplusSpan, UnsampledSpan, new_span_id


class Translator(Protocol):
    """Translates other formats to W3C's fields."""

    def translated(self, pairs: Iterable[tuple[Any, Any]]) -> tuple[list[str], list[str], list[str]]:
        """Return `traceparent`, `tracestate` and `baggage` for the context that header fields contain."""


def traceparent(span: Span) -> str | None:
    """Return the header that makes the callee a child of this span; None for an invalid span.

    If the span is not sampled, each call has a new parent id, because no span exists that could be the parent.
    """
    kind = span.__class__
    if kind is LightSpan or kind is UnsampledSpan:
        return span.outgoing()  # type: ignore[attr-defined,no-any-return] # the class was just compared
    context = span.get_span_context()
    if not context.is_valid:
        return None
    flags = context.trace_flags & KNOWN_FLAGS
    fresh = not flags & 1 and not isinstance(span, SurplusSpan)
    span_id = new_span_id() if fresh else context.span_id
    return f"00-{context.trace_id:032x}-{span_id:016x}-0{flags}"


def put(headers: MutableMapping[str, str], context: Context, *, parents: bool = True, baggage: bool = True) -> None:
    """Set the headers of a context, with lowercase names; `tracestate` and `baggage` only if they are not empty."""
    if parents:
        span: Any = context.get(SPAN_KEY)
        if span is not None:
            parent = traceparent(span)
            if parent is not None:
                headers["traceparent"] = parent
                state = _tracestate(span)
                if state is not NO_STATE and state:
                    headers["tracestate"] = state.to_header()
    if baggage:
        entries = context.get(BAGGAGE_KEY)
        if isinstance(entries, dict) and entries:
            header = format_header(entries)
            if header:
                headers["baggage"] = header


def _tracestate(span: Span) -> TraceState:
    if span.__class__ is LightSpan:
        return span.trace.state
    return span.state if isinstance(span, UnsampledSpan) else span.get_span_context().trace_state


class W3CPropagator(TextMapPropagator):
    """OpenTelemetry's propagator interface to the functions of this module.

    Args:
        names: The formats to propagate, of `tracecontext` and `baggage`.
    """

    def __init__(self, names: Sequence[str] = ("tracecontext", "baggage")) -> None:
        self.carries_parents = "tracecontext" in names
        self.carries_baggage = "baggage" in names

    @property
    def foreign(self) -> Translator | None:
        """The propagator that translates other formats to W3C's fields, None if only these are configured."""
        return None

    def read(self, pairs: Iterable[tuple[Any, Any]]) -> Context:
        """Return the context that header fields contain."""
        context = Context()
        found = list(pairs)
        if self.carries_parents:
            context = with_parent(context, values(found, "traceparent"), values(found, "tracestate"))
        return with_baggage(context, values(found, "baggage")) if self.carries_baggage else context

    def write(self, headers: MutableMapping[str, str], context: Context) -> None:
        """Set the headers of a context."""
        put(headers, context, parents=self.carries_parents, baggage=self.carries_baggage)

    def extract(
        self, carrier: CarrierT, context: Context | None = None, getter: Getter[CarrierT] = default_getter
    ) -> Context:
        """Return the context with the values of the carrier."""
        found = context if context is not None else Context()
        if self.carries_parents:
            found = with_parent(
                found, getter.get(carrier, "traceparent") or (), getter.get(carrier, "tracestate") or ()
            )
        if self.carries_baggage:
            found = with_baggage(found, getter.get(carrier, "baggage") or ())
        return found

    def inject(
        self, carrier: CarrierT, context: Context | None = None, setter: Setter[CarrierT] = default_setter
    ) -> None:
        """Set the context's headers in the carrier."""
        found = context if context is not None else current()
        headers: dict[str, str] = {}
        put(headers, found, parents=self.carries_parents, baggage=self.carries_baggage)
        for name, value in headers.items():
            setter.set(carrier, name, value)

    @property
    def fields(self) -> set[str]:
        """The headers that `inject` may set."""
        names = {"traceparent", "tracestate"} if self.carries_parents else set()
        return names | {"baggage"} if self.carries_baggage else names


def with_parent(context: Context, parents: Iterable[str], states: Iterable[str]) -> Context:
    """Return a context with the remote parent; the same context if the headers contain none."""
    remote = remote_context(list(parents), list(states))
    return context if remote is None else trace.set_span_in_context(NonRecordingSpan(remote), context)


def with_baggage(context: Context, headers: Iterable[str]) -> Context:
    """Return a context with the baggage of the headers; the same context if they contain none."""
    received = parse_baggage(headers)
    return context if received is None else Context({**context, BAGGAGE_KEY: received})


def values(headers: Mapping[str, Any] | Iterable[tuple[Any, Any]], name: str) -> list[str]:
    """Return every value of a header, ignoring case, from a mapping (multidicts included) or pairs of text or bytes."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    found: list[str] = []
    for key, value in pairs:
        if (key.decode("latin-1") if isinstance(key, bytes) else key).lower() == name:
            several = value if isinstance(value, (list, tuple)) else (value,)
            found.extend(item.decode("latin-1") if isinstance(item, bytes) else str(item) for item in several)
    return found
