"""The light provider's tracer: starts spans and passes ended ones on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import time_ns
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.context import Context, get_current
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Tracer
from opentelemetry.util.types import Attributes

from devenv.tracing.light.span import RANDOM, SAMPLED, LightSpan, LocalTrace, SurplusSpan, UnsampledSpan, new_trace_id
from devenv.tracing.values import bounded

if TYPE_CHECKING:
    from devenv.tracing.light.provider import LightProvider
    from devenv.tracing.settings import Settings

# The context's key of the current span, learnt through the public API.
SPAN_KEY: str = next(iter(trace.set_span_in_context(trace.INVALID_SPAN, Context())))


class LightTracer(Tracer):
    """Starts spans of one instrumentation scope.

    Attributes:
        limits: The settings that hold the limits.
        scope: (name, version, schema URL, attributes).
    """

    def __init__(self, provider: LightProvider, scope: tuple[str, str, str, Mapping[str, Any]]) -> None:
        self.provider = provider
        self.limits: Settings = provider.settings
        self.scope = scope

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,  # noqa: ARG002 - part of OpenTelemetry's signature, used by use_span
        set_status_on_exception: bool = True,  # noqa: ARG002 - likewise
    ) -> Span:
        """Start a span by OpenTelemetry's rules; limits and cleaning apply to the attributes."""
        kept, dropped = bounded(attributes, self.limits.span_attributes)
        span = self.open(name, context, kind, kept, links, start_time)
        if isinstance(span, LightSpan):
            span.dropped_attributes += dropped
        return span

    @contextmanager
    def start_as_current_span(  # type: ignore[override] # the API's decorator also serves async functions by name only
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
        end_on_exit: bool = True,
    ) -> Iterator[Span]:
        """Start a span and make it current for the block."""
        span = self.start_span(name, context, kind, attributes, links, start_time)
        with trace.use_span(span, end_on_exit, record_exception, set_status_on_exception):
            yield span

    def open(
        self,
        name: str,
        context: Context | None,
        kind: SpanKind,
        attributes: dict[str, Any],
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
    ) -> Span:
        """Start a span with attributes that are clean already and that the span may keep."""
        parent = (get_current() if context is None else context).get(SPAN_KEY)
        decider = self.provider.decider
        if decider.custom is not None:
            return self._by_custom(name, context, kind, attributes, links, start_time)
        if parent.__class__ is LightSpan and decider.parent_based:
            local: LocalTrace = parent.trace
            if self._surplus(local):
                return SurplusSpan(parent)
            return self.record(name, context, kind, parent.span_id, False, local, attributes, links, start_time)
        if isinstance(parent, UnsampledSpan) and decider.parent_based:
            if isinstance(parent, SurplusSpan):
                self.provider.count_surplus()
                return parent
            return UnsampledSpan(parent.trace)
        return self._by_context(name, context, kind, parent, attributes, links, start_time)

    def _by_context(
        self,
        name: str,
        context: Context | None,
        kind: SpanKind,
        parent: object,
        attributes: dict[str, Any],
        links: Sequence[Link] | None,
        start_time: int | None,
    ) -> Span:
        """Below a remote or foreign parent, or as a root."""
        decider = self.provider.decider
        above = parent.get_span_context() if isinstance(parent, Span) else None
        if above is None or not above.is_valid:
            trace_id = new_trace_id()
            sampled = decider.root(trace_id)
            local = LocalTrace(trace_id, f"{trace_id:032x}", RANDOM | sampled)
            parent_id, remote = 0, False
        else:
            flags = above.trace_flags
            sampled = bool(flags & SAMPLED) if decider.parent_based else decider.root(above.trace_id)
            local = local_trace(above, sampled)
            parent_id, remote = above.span_id, above.is_remote
        if not sampled:
            return UnsampledSpan(local)
        return self.record(name, context, kind, parent_id, remote, local, attributes, links, start_time)

    def _by_custom(
        self,
        name: str,
        context: Context | None,
        kind: SpanKind,
        attributes: dict[str, Any],
        links: Sequence[Link] | None,
        start_time: int | None,
    ) -> Span:
        """By an SDK sampler, with every right it has: attributes, tracestate, recording without sampling."""
        above = trace.get_current_span(context).get_span_context()
        trace_id = above.trace_id if above.is_valid else new_trace_id()
        sampler = self.provider.decider.custom
        if sampler is None:
            raise RuntimeError("no custom sampler")
        result = sampler.should_sample(context, trace_id, name, kind, attributes, links)
        random = above.trace_flags & RANDOM if above.is_valid else RANDOM
        local = LocalTrace(trace_id, f"{trace_id:032x}", random | result.decision.is_sampled())
        if result.trace_state is not None:
            local.state = result.trace_state
        if not result.decision.is_recording():
            return UnsampledSpan(local)
        kept, _ = bounded({**attributes, **(result.attributes or {})}, self.limits.span_attributes)
        parent_id = above.span_id if above.is_valid else 0
        return self.record(name, context, kind, parent_id, above.is_remote, local, kept, links, start_time)

    def _surplus(self, local: LocalTrace) -> bool:
        limit = self.limits.trace_spans
        if limit and local.spans >= limit:
            self.provider.count_surplus()
            return True
        return False

    def record(
        self,
        name: str,
        context: Context | None,
        kind: SpanKind,
        parent_id: int,
        remote_parent: bool,
        local: LocalTrace,
        attributes: dict[str, Any],
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
    ) -> LightSpan:
        """Begin a span whose recording has been decided."""
        local.spans += 1
        span = LightSpan(self, local, name, kind, parent_id, remote_parent, attributes, start_time or time_ns())
        for link in links or ():
            span.add_link(link.context, link.attributes)
        for processor in self.provider.processors:
            processor.on_start(span, parent_context=context)  # type: ignore[arg-type] # same interface, own class
        return span

    def ended(self, span: LightSpan) -> None:
        """Pass an ended span on."""
        provider = self.provider
        if span.trace.flags & SAMPLED:
            provider.sink(span)
        if provider.processors:
            provider.process(span)


def local_trace(above: SpanContext, sampled: bool) -> LocalTrace:
    """The local part of a trace that began elsewhere."""
    trace_id = above.trace_id
    return LocalTrace(trace_id, f"{trace_id:032x}", above.trace_flags & RANDOM | sampled, above.trace_state)
