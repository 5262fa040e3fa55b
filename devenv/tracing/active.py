"""The tracing that is set up in this process, for functions to which users do not pass it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakSet

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanKind, Tracer

from devenv.tracing.context.ambient import SPAN_KEY, current
from devenv.tracing.export.redaction import Redactor
from devenv.tracing.light.native import speed
from devenv.tracing.light.shared import Shared
from devenv.tracing.light.tracer import LightTracer
from devenv.tracing.process.global_api import api_tracer
from devenv.tracing.process.http_names import KNOWN_METHODS
from devenv.tracing.propagation import W3CPropagator

if TYPE_CHECKING:
    from devenv.tracing.metrics.store import Meter
    from devenv.tracing.process.captured_headers import CapturedHeaders
    from devenv.tracing.settings import Settings

SCOPE = "devenv.tracing"
SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"
"""The version of the semantic conventions that our integrations follow."""

Open = Callable[[str, "Context | None", SpanKind, dict[str, Any], "Sequence[Link] | None", "Shared | None"], Span]
"""Starts a span with cleaned attributes; the span keeps the `own` ones."""


class Active(Protocol):
    """The part of `devenv.tracing.Tracing` that is used by functions to which users do not pass it."""

    @property
    def settings(self) -> Settings:
        """The resolved settings."""

    @property
    def service_name(self) -> str:
        """The name of the service in its traces."""

    @property
    def propagator(self) -> W3CPropagator:
        """Reads and writes the headers of the context."""

    @property
    def light(self) -> LightTracer | None:
        """The light provider's tracer, None on any other provider."""

    @property
    def cheap(self) -> bool:
        """Whether spans below an unsampled span need no sampling decision."""

    def force_flush(self, timeout_s: float = ...) -> bool:
        """Deliver every ended span within the time; False if that failed."""

    def shutdown(self, timeout_s: float = ...) -> bool:
        """Export all waiting spans within the time and stop exporting."""

    def install(self) -> None:
        """Make this the tracing of the process."""

    def stats(self) -> object:
        """Counts of exported and lost spans, to be logged."""


class Follower(Protocol):
    """Keeps the parts of the tracing that it needs, so that requests do not look them up."""

    def bind(self, tracing: Active | None) -> None:
        """Use this tracing from now on; None after a shutdown."""


class State:
    """The process's tracing; before `setup`, the OpenTelemetry provider that the program has installed.

    Attributes:
        tracing: The result of `setup`, None before it and after its shutdown.
        followers: Objects that are told of each change.
        light: The light provider's tracer, None on any other provider.
        open: Starts a span by the shortest path: `LightTracer.open`, or the same through OpenTelemetry's API.
        passing: The class of spans whose children need no sampling decision: `UnsampledSpan`, or None if the
            sampler decides each time.
        idle: The class of spans below which a call or statement concerns nothing: `passing`, or None if it is measured.
        skips: Returns the current span if nothing below it is recorded or measured: `passive`, unless it is measured.
        off: Whether tracing has been switched off.
        meter: Records durations, None if no metrics are exported.
        methods: HTTP methods that are recorded by name.
        server_headers: The headers that servers record, None for none.
        client_headers: The headers that clients record, None for none.
        excluded: Patterns of URLs that a client library does not trace, by the library's name.
    """

    __slots__ = (
        "__weakref__",
        "client_headers",
        "excluded",
        "followers",
        "idle",
        "light",
        "meter",
        "methods",
        "off",
        "open",
        "passing",
        "propagator",
        "redactor",
        "server_headers",
        "skips",
        "tracer",
        "tracing",
    )

    def __init__(self) -> None:
        self.followers: WeakSet[Follower] = WeakSet()
        self.clear()

    def clear(self) -> None:
        """Forget the tracing, and tell the followers."""
        self.tracing: Active | None = None
        self.use(None)
        self.passing: type | None = None
        self.off = False
        self.measure(None)
        self.tracer: Tracer = api_tracer(SCOPE, SCHEMA_URL)
        self.propagator = W3CPropagator()
        self.redactor = Redactor()
        self.methods = frozenset(KNOWN_METHODS)
        self.server_headers: CapturedHeaders | None = None
        self.client_headers: CapturedHeaders | None = None
        self.excluded: Mapping[str, re.Pattern[str]] = {}
        self.tell()

    def tell(self) -> None:
        """Tell the followers that the tracing has changed."""
        for follower in tuple(self.followers):
            follower.bind(self.tracing)

    def measure(self, meter: Meter | None) -> None:
        """Measure by this meter from now on, or by none."""
        self.meter: Meter | None = meter
        self.idle: type | None = self.passing if meter is None else None
        passive: Callable[[], Span | None] = self.passive if speed is None else speed.quick("passive", self.passive)
        self.skips: Callable[[], Span | None] = passive if meter is None else _never

    def use(self, light: LightTracer | None) -> None:
        """Use the light provider's tracer, or OpenTelemetry's API with any other provider."""
        self.light = light
        self.open: Open = light.open if light is not None else self._start

    def _start(
        self,
        name: str,
        context: Context | None,
        kind: SpanKind,
        own: dict[str, Any],
        links: Sequence[Link] | None = None,
        shared: Shared | None = None,
    ) -> Span:
        attributes = {**shared.values, **own} if shared is not None else own
        return self.tracer.start_span(name, context, kind, attributes, links)

    def passive(self) -> Span | None:
        """Return the current span if nothing below it is recorded, else None."""
        span: Span | None = current().get(SPAN_KEY)  # type: ignore[assignment] # the value of this key
        if span.__class__ is self.passing:
            return span
        if not self.off:
            return None
        return trace.INVALID_SPAN if span is None else _idle(trace.get_current_span())


def _never() -> None:
    """Stand for `passive` if what is not recorded is measured."""


def _idle(span: Span) -> Span:
    """Return a span that can be the span of a block: the program's own, of another provider, must not end with it."""
    return NonRecordingSpan(span.get_span_context()) if span.is_recording() else span


state = State()
if speed is not None:
    speed.use_state(state)
