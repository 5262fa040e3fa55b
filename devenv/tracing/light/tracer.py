"""The light provider's tracer: starts spans within the limits."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from time import time_ns
from typing import TYPE_CHECKING, Any, cast

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Tracer
from opentelemetry.util.types import Attributes

from devenv.tracing.context.ambient import SPAN_KEY, current
from devenv.tracing.light.block import SpanBlock
from devenv.tracing.light.exceptions import described
from devenv.tracing.light.native import speed
from devenv.tracing.light.notices import warn_once
from devenv.tracing.light.shared import Shared
from devenv.tracing.light.span import FEW, LightSpan
from devenv.tracing.light.unsampled import (
    NO_STATE,
    RANDOM,
    SAMPLED,
    LocalTrace,
    SurplusSpan,
    UnsampledSpan,
)
from devenv.tracing.light.values import as_text, bounded, nanoseconds

if TYPE_CHECKING:
    from devenv.tracing.light.decision import CustomSampler
    from devenv.tracing.light.owner import Provider, Scope
    from devenv.tracing.settings import Settings

_log = logging.getLogger(__name__)


class LightTracer(Tracer):
    """Starts spans of one instrumentation scope.

    Attributes:
        limits: The settings with the limits.
        roomy: Whether a span with few attributes is always within them.
        scope: (name, version, schema URL, attributes).
    """

    def __init__(self, provider: Provider, scope: Scope) -> None:
        self.provider = provider
        self.limits: Settings = provider.settings
        self._most_spans = self.limits.trace_spans or sys.maxsize
        self.roomy = self.limits.span_attributes >= 2 * FEW
        self.scope = scope

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> Span:
        """Start a span by OpenTelemetry's rules; limits and cleaning apply to the attributes."""
        kept, dropped = bounded(attributes, self.limits.span_attributes)
        span = self.open(name, context, kind, kept, links, None, start_time)
        if isinstance(span, LightSpan):
            if dropped:
                span.dropped_attributes += dropped
                span.eventful = True
            if not record_exception:
                span.records_exceptions = False
            if not set_status_on_exception:
                span.fails_on_exceptions = False
        return span

    def start_as_current_span(  # type: ignore[override] # the same use, as a block and as a decorator, by a class of ours
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
    ) -> SpanBlock:
        """Start a span and make it current for a `with` block, or for each call of the decorated function."""
        start = partial(
            self.start_span,
            name,
            context,
            kind,
            attributes,
            links,
            start_time,
            record_exception,
            set_status_on_exception,
        )
        return SpanBlock(start, record_exception, set_status_on_exception, end_on_exit)

    def open(
        self,
        name: str,
        context: Context | None,
        kind: SpanKind,
        own: dict[str, Any],
        links: Sequence[Link] | None = None,
        shared: Shared | None = None,
        start_time: int | None = None,
    ) -> Span:
        """Start a span with cleaned attributes; it keeps the `own` ones."""
        parent: Any = (current() if context is None else context).get(SPAN_KEY)
        kind_of = parent.__class__
        decider = self.provider.decider
        if decider.parent_based:
            if kind_of is LightSpan:
                local: LocalTrace = parent.trace
                if local.spans < self._most_spans:
                    parent_id = parent.span_id
                    return self.record(name, context, kind, parent_id, False, local, own, links, start_time, shared)
                self.provider.count_surplus()
                return SurplusSpan(parent)
            if kind_of is UnsampledSpan:
                return UnsampledSpan(parent.hex, parent.flags, parent.state)
            if kind_of is SurplusSpan:
                self.provider.count_surplus()
                return cast("Span", parent)
        if shared is not None:
            own = {**shared.values, **own}
        if decider.custom is not None:
            return self._by_custom(decider.custom, name, context, kind, own, links, start_time)
        return self._by_context(name, context, kind, parent, own, links, start_time)

    def _by_context(
        self,
        name: str,
        context: Context | None,
        kind: SpanKind,
        parent: object,
        own: dict[str, Any],
        links: Sequence[Link] | None,
        start_time: int | None,
    ) -> Span:
        """Start a span below a remote or foreign parent, or a root."""
        decider = self.provider.decider
        above = parent.get_span_context() if isinstance(parent, Span) else None
        if above is None or not above.is_valid:
            trace_hex = self.provider.new_trace()
            sampled = decider.root(trace_hex)
            flags, state, parent_id, remote = self.provider.random | sampled, NO_STATE, 0, False
        else:
            trace_hex = f"{above.trace_id:032x}"
            sampled = bool(above.trace_flags & SAMPLED) if decider.parent_based else decider.root(trace_hex)
            flags, state = above.trace_flags & RANDOM | sampled, above.trace_state
            parent_id, remote = above.span_id, above.is_remote
        if not sampled:
            return UnsampledSpan(trace_hex, flags, state)
        local = LocalTrace(trace_hex, flags, state)
        return self.record(name, context, kind, parent_id, remote, local, own, links, start_time)

    def _by_custom(
        self,
        sampler: CustomSampler,
        name: str,
        context: Context | None,
        kind: SpanKind,
        own: dict[str, Any],
        links: Sequence[Link] | None,
        start_time: int | None,
    ) -> Span:
        """Start a span by an SDK sampler, which may set attributes and tracestate, and record without sampling."""
        above = trace.get_current_span(context).get_span_context()
        if above.is_valid and self.provider.decider.parent_based:
            return self._by_context(name, context, kind, trace.get_current_span(context), own, links, start_time)
        trace_hex = f"{above.trace_id:032x}" if above.is_valid else self.provider.new_trace()
        try:
            result = sampler.should_sample(context, int(trace_hex, 16), name, kind, own, links)
        except Exception as error:  # noqa: BLE001 - logged; the program's sampler must not break its requests
            warn_once(_log, "the sampler %s failed: %s", type(sampler).__name__, described(error))
            return self._by_context(name, context, kind, trace.get_current_span(context), own, links, start_time)
        random = above.trace_flags & RANDOM if above.is_valid else self.provider.random
        flags = random | result.decision.is_sampled()
        state = result.trace_state if result.trace_state is not None else NO_STATE
        if not result.decision.is_recording():
            return UnsampledSpan(trace_hex, flags, state)
        local = LocalTrace(trace_hex, flags, state)
        parent_id = above.span_id if above.is_valid else 0
        kept = {**own, **(result.attributes or {})}
        return self.record(name, context, kind, parent_id, above.is_remote, local, kept, links, start_time)

    def record(
        self,
        name: str,
        context: Context | None,
        kind: SpanKind,
        parent_id: int,
        remote_parent: bool,
        local: LocalTrace,
        own: dict[str, Any],
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        shared: Shared | None = None,
    ) -> LightSpan:
        """Start a span that is recorded by decision."""
        local.spans += 1
        if name.__class__ is not str:
            name = as_text(name)
            warn_once(_log, "the name of a span is not text: %s", name)
        began = nanoseconds(start_time) if start_time else time_ns()
        span = LightSpan(self, local, name, kind, parent_id, remote_parent, shared, own, began)
        if len(own) > FEW or not self.roomy:
            self._cut(span)
        if links is not None:
            _link(span, links)
        if self.provider.watched:
            self.provider.begun(span, context)
        return span

    def _cut(self, span: LightSpan) -> None:
        """Remove the attributes beyond the limit."""
        attributes = span.attributes
        if len(attributes) <= self.limits.span_attributes:
            return
        span.own, dropped = bounded(attributes, self.limits.span_attributes)
        span.shared = None
        span.dropped_attributes += dropped
        span.eventful = True


if speed is not None:
    speed.use_tracer(LightTracer)


def _link(span: LightSpan, links: Iterable[Any]) -> None:
    try:
        for link in tuple(links):
            span.add_link(getattr(link, "context", link), getattr(link, "attributes", None))
    except Exception as error:  # noqa: BLE001 - logged; the links' own code failed, or they are not a sequence
        warn_once(_log, "ignored links that cannot be read: %s", described(error))
