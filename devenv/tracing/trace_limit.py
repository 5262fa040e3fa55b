"""The limit of spans a trace for the OpenTelemetry SDK's provider, which has none; the light provider has its own."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState, get_current_span
from opentelemetry.util.types import Attributes


class TraceLimit(Sampler):
    """Leaves out the spans of a trace beyond a number, as long as any span of it is open in this process.

    What is below a span that is left out is left out as well, so that no span lacks its parent.

    Args:
        inner: Decides about the others.
        most: Spans of one trace.

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
        """The inner sampler's decision, unless the trace has reached its limit."""
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
        """What it does, in a few words."""
        return f"TraceLimit{{{self._inner.get_description()},{self._most}}}"


class _Count:
    __slots__ = ("begun", "open")

    def __init__(self) -> None:
        self.begun = self.open = 0
