"""The OpenTelemetry SDK's provider with devenv's exporter (`provider: sdk`)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, SpanKind, TraceState, get_current_span
from opentelemetry.util.types import Attributes

from devenv.tracing.light.exceptions import described
from devenv.tracing.light.ids import CustomIds
from devenv.tracing.light.notices import warn_once
from devenv.tracing.light.readable import record
from devenv.tracing.light.span import LightSpan
from devenv.tracing.process.versions import SLOTS
from devenv.tracing.settings import Settings

_log = logging.getLogger(__name__)


def make_provider(
    settings: Settings,
    resource: Callable[[], Mapping[str, Any]],
    sink: Callable[[LightSpan], None],
    custom: Any = None,
    generator: Any = None,
) -> TracerProvider:
    """Return an SDK provider with the sampler and limits of the settings; its ended spans go to the sink.

    Args:
        settings: Sampler and limits.
        resource: Returns the resource attributes.
        sink: Accepts the ended spans.
        custom: Decides instead of the sampler of the settings; below a parent too, unless that one is parent-based.
        generator: Generates the IDs.
    """
    inner = sampler(settings) if custom is None else Guarded(custom)
    if custom is not None and settings.sampler == "parentbased_jaeger_remote":
        inner = ParentBased(inner)
    limit = TraceLimit(inner, settings.trace_spans) if settings.trace_spans else None
    provider = LimitedProvider(
        sampler=limit or inner,
        id_generator=None if generator is None else GuardedIds(generator),
        resource=Resource(dict(resource())),
        shutdown_on_exit=False,
        span_limits=_limits(settings),
    )
    provider.add_span_processor(Bridge(settings, sink, limit))
    return provider


class LimitedProvider(TracerProvider):
    """The SDK's provider, with the count of spans that its trace limit has left out."""

    @property
    def surplus(self) -> int:
        """Spans left out because their trace reached its limit."""
        return self.sampler.surplus if isinstance(self.sampler, TraceLimit) else 0


def sampler(settings: Settings) -> Sampler:
    """Return the SDK's sampler of the settings."""
    name = settings.sampler
    if name.endswith("traceidratio"):
        root: Sampler = TraceIdRatioBased(settings.sampler_ratio)
    else:
        root = ALWAYS_ON if name.endswith("always_on") else ALWAYS_OFF
    return ParentBased(root) if name.startswith("parentbased_") else root


class Guarded(Sampler):
    """The decisions of another sampler in the SDK's types; if it fails, the parent's flag decides."""

    def __init__(self, custom: Any) -> None:
        self._custom = custom

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,  # noqa: ARG002 - the SDK's signature
        **_: Any,
    ) -> SamplingResult:
        """Return the other sampler's decision."""
        above = get_current_span(parent_context).get_span_context()
        try:
            found = self._custom.should_sample(parent_context, trace_id, name, kind, attributes, links)
            recording, sampled = found.decision.is_recording(), found.decision.is_sampled()
        except Exception as error:  # noqa: BLE001 - logged; the program's sampler must not break its requests
            warn_once(_log, "the sampler %s failed: %s", type(self._custom).__name__, described(error))
            sampled = recording = not above.is_valid or above.trace_flags.sampled
            return SamplingResult(_DECISIONS[recording, sampled], attributes, above.trace_state)
        return SamplingResult(_DECISIONS[recording, sampled], found.attributes, found.trace_state)

    def get_description(self) -> str:
        """Describe the other sampler."""
        return type(self._custom).__name__


class GuardedIds(IdGenerator):
    """The IDs of another generator; random ones if it fails."""

    def __init__(self, generator: Any) -> None:
        self._ids = CustomIds(generator)

    def generate_trace_id(self) -> int:
        """Return a new trace ID."""
        return int(self._ids.trace_hex(), 16)

    def generate_span_id(self) -> int:
        """Return a new span ID."""
        return self._ids.span_id()

    def is_trace_id_random(self) -> bool:
        """Return whether the trace IDs are random."""
        return bool(self._ids.random)


_DECISIONS = {
    (False, False): Decision.DROP,
    (True, False): Decision.RECORD_ONLY,
    (True, True): Decision.RECORD_AND_SAMPLE,
    (False, True): Decision.RECORD_AND_SAMPLE,
}


class TraceLimit(Sampler):
    """Limits the spans per trace, as the light provider does, as long as any span of the trace is open in this process.

    A span below a span that is left out is left out as well, so that no span lacks its parent.

    Args:
        inner: The sampler of all other spans.
        most: Maximum number of spans per trace.

    Attributes:
        surplus: Spans that were left out.
    """

    def __init__(self, inner: Sampler, most: int) -> None:
        self.surplus = 0
        self._inner = inner
        self._most = most
        self._lock = threading.Lock()
        self._traces: dict[int, _Count] = {}

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
        **more: Any,
    ) -> SamplingResult:
        """Return the inner sampler's decision, unless the trace has reached its limit."""
        with self._lock:
            count = self._traces.get(trace_id)
            if count is not None and count.begun >= self._most:
                self.surplus += 1
                above = get_current_span(parent_context).get_span_context()
                return SamplingResult(Decision.DROP, None, above.trace_state)
        result = self._inner.should_sample(
            parent_context, trace_id, name, kind, attributes, links, trace_state=trace_state, **more
        )
        if result.decision is Decision.RECORD_AND_SAMPLE:
            with self._lock:
                count = self._traces.setdefault(trace_id, _Count())
                count.begun += 1
                count.open += 1
        return result

    def ended(self, trace_id: int) -> None:
        """Note that a span ended; after the last open one the trace is forgotten."""
        with self._lock:
            count = self._traces.get(trace_id)
            if count is not None:
                count.open -= 1
                if count.open <= 0:
                    del self._traces[trace_id]

    def get_description(self) -> str:
        """Describe the sampler and its limit."""
        return f"TraceLimit{{{self._inner.get_description()},{self._most}}}"


class _Count:
    __slots__ = ("begun", "open")

    def __init__(self) -> None:
        self.begun = self.open = 0


class Bridge(SpanProcessor):
    """Converts the SDK's ended spans into the records that the exporter accepts."""

    def __init__(self, settings: Settings, sink: Callable[[LightSpan], None], limit: TraceLimit | None) -> None:
        self._settings = settings
        self._limit = limit
        self._sink = sink
        self._scopes: dict[object, _Scope] = {}

    def on_end(self, span: ReadableSpan) -> None:
        """Forward a sampled span."""
        context = span.get_span_context()
        if context is None or not context.trace_flags.sampled:
            return
        if self._limit is not None:
            self._limit.ended(context.trace_id)
        found = span.instrumentation_scope
        scope = self._scopes.get(found)
        if scope is None:
            named = (
                (found.name, found.version or "", found.schema_url or "", found.attributes or {})
                if found
                else ("", "", "", {})
            )
            scope = self._scopes.setdefault(found, _Scope(named, self._settings))
        self._sink(record(span, scope))

    def force_flush(self, timeout_millis: int = 30000) -> bool:  # noqa: ARG002 - the SDK's signature
        """Return True: nothing waits here. SDKs to 1.41 return None instead, and then flush no further processor."""
        return True


@dataclass(frozen=True, **SLOTS)
class _Scope:
    """The part of a tracer that a record needs."""

    scope: tuple[str, str, str, Mapping[str, Any]]
    limits: Settings


def _limits(settings: Settings) -> SpanLimits:
    """Return the limits of the settings; if they set no length, the SDK must not read one from the environment."""
    unset = SpanLimits.UNSET
    length = settings.attribute_length
    span_length = settings.span_attribute_length
    return SpanLimits(
        max_attributes=settings.span_attributes,
        max_span_attributes=settings.span_attributes,
        max_events=settings.span_events,
        max_links=settings.span_links,
        max_event_attributes=settings.event_attributes,
        max_link_attributes=settings.link_attributes,
        max_attribute_length=unset if length is None else length,
        max_span_attribute_length=unset if span_length is None else span_length,
    )
