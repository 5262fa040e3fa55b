"""What is set up in this process, for the functions that users call without naming it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Tracer

from devenv.tracing.light.tracer import LightTracer
from devenv.tracing.propagation import W3CPropagator
from devenv.tracing.redaction import Redactor

if TYPE_CHECKING:
    from devenv.tracing.runtime import Tracing

SCOPE = "devenv.tracing"


class State:
    """The process's tracing; before `setup` whatever OpenTelemetry provider the program has installed.

    Attributes:
        tracing: What `setup` made, None before it and after its shutdown.
        light: The light provider's tracer, None on any other provider.
        cheap: Whether what lies below an unsampled span needs no further decision.
    """

    __slots__ = ("cheap", "light", "propagator", "redactor", "tracer", "tracing")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget what was set up."""
        self.tracing: Tracing | None = None
        self.light: LightTracer | None = None
        self.cheap = False
        self.tracer: Tracer = trace.get_tracer(SCOPE)
        self.propagator = W3CPropagator()
        self.redactor = Redactor()

    def open(
        self,
        name: str,
        context: Context | None,
        kind: SpanKind,
        attributes: dict[str, Any],
        links: Sequence[Link] | None = None,
    ) -> Span:
        """Start a span with attributes that are clean and the span's to keep."""
        if self.light is not None:
            return self.light.open(name, context, kind, attributes, links)
        return self.tracer.start_span(name, context, kind, attributes, links)


state = State()
