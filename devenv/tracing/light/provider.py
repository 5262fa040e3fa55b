"""The light tracer provider: same API as OpenTelemetry's, one exporter built in, other processors on request."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from opentelemetry.trace import NoOpTracer, Tracer, TracerProvider
from opentelemetry.util.types import Attributes

from devenv.tracing.light.decision import Decider
from devenv.tracing.light.exceptions import described
from devenv.tracing.light.notices import warn_once
from devenv.tracing.light.sdk_classes import register_when_imported
from devenv.tracing.light.span import LightSpan
from devenv.tracing.light.tracer import LightTracer
from devenv.tracing.light.unsampled import RANDOM, SAMPLED, new_trace_hex
from devenv.tracing.light.values import as_text, bounded
from devenv.tracing.process.global_api import load_sdk
from devenv.tracing.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor

    from devenv.tracing.light.ids import CustomIds

_log = logging.getLogger(__name__)


class LightProvider(TracerProvider):
    """Creates tracers.

    Args:
        settings: The limits, and whether spans are recorded.
        resource: Returns the resource attributes; called again after a fork.
        decider: Decides which traces are recorded.
        sink: Accepts every ended sampled span; must not block or raise.
        ids: Generates the IDs. Default: random ones.

    Attributes:
        processors: Additional span processors with the SDK's interface.
        watched: Whether a new span concerns more than the tracer: processors, or a generator of its ID.
        has_own_ids: Whether a generator makes the IDs.
        random: The W3C flag of new trace IDs, if they are random.
        new_trace: Returns a new trace ID as 32 hexadecimal digits.
        surplus: Spans left out because their trace reached its limit.
    """

    def __init__(
        self,
        settings: Settings,
        resource: Callable[[], Mapping[str, Any]],
        decider: Decider,
        sink: Callable[[LightSpan], None],
        ids: CustomIds | None = None,
    ) -> None:
        self.settings = settings
        self.decider = decider
        self.sink = sink
        self.processors: tuple[SpanProcessor, ...] = ()
        self.surplus = 0
        self._ids = ids
        self.watched = self.has_own_ids = ids is not None
        self.random = RANDOM if ids is None else ids.random
        self.new_trace: Callable[[], str] = new_trace_hex if ids is None else ids.trace_hex
        self._resource = resource
        self._sdk_resource: tuple[Mapping[str, Any], Any] | None = None
        self._tracers: dict[tuple[object, ...], LightTracer] = {}
        self._lock = threading.Lock()
        if settings.enabled:
            register_when_imported()

    @property
    def resource(self) -> Any:
        """The resource as the SDK's type, for processors and for code that reads it from a provider."""
        attributes = self._resource()
        known = self._sdk_resource
        if known is None or known[0] is not attributes:
            from opentelemetry.sdk.resources import Resource

            known = self._sdk_resource = (attributes, Resource(dict(attributes)))
        return known[1]

    @property
    def sampler(self) -> Any:
        """The sampler as the SDK's type, under the name that the SDK's provider uses."""
        load_sdk()
        from opentelemetry.sdk.trace.sampling import ParentBased

        from devenv.tracing.sdk import Guarded, sampler

        custom = self.decider.custom
        if custom is None:
            return sampler(self.settings)
        return ParentBased(Guarded(custom)) if self.decider.parent_based else custom

    @property
    def id_generator(self) -> Any:
        """The generator of IDs as the SDK's type, under the name that the SDK's provider uses."""
        if self._ids is not None:
            return self._ids.generator
        load_sdk()
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

        return RandomIdGenerator()

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Attributes = None,
    ) -> Tracer:
        """Return the tracer of a scope; the same tracer for the same scope, its attributes included."""
        if not self.settings.enabled:
            return NoOpTracer()
        name: Any = instrumenting_module_name
        if not isinstance(name, str) or not name:
            warn_once(_log, "a tracer has no valid name: %s", as_text(name) or "it is empty")
            name = "" if name is None else as_text(name)
        version, schema = instrumenting_library_version, schema_url
        scope_attributes, _ = bounded(attributes, self.settings.span_attributes)
        scope = (name, "" if version is None else as_text(version), as_text(schema or ""), scope_attributes)
        key = (*scope[:3], tuple(sorted((key, repr(value)) for key, value in scope_attributes.items())))
        tracer = self._tracers.get(key)
        if tracer is None:
            with self._lock:
                tracer = self._tracers.setdefault(key, LightTracer(self, scope))
        return tracer

    def add_span_processor(self, span_processor: SpanProcessor) -> None:
        """Add a processor with the SDK's interface; it receives an SDK `ReadableSpan` at the end of each span."""
        with self._lock:
            self.processors = (*self.processors, span_processor)
            self.watched = True

    def count_surplus(self) -> None:
        """Count a span beyond its trace's limit."""
        with self._lock:
            self.surplus += 1

    def readable(self, span: LightSpan) -> Any:
        """Return the SDK's form of a span.

        Raises:
            ImportError: If the SDK is not installed.
        """
        load_sdk()
        from devenv.tracing.light.readable import readable

        return readable(span, self.resource)

    def begun(self, span: LightSpan, context: Context | None) -> None:
        """Tell the additional processors of a new span; if one fails, the others are told."""
        if self._ids is not None:
            span.span_id = self._ids.span_id()
        given: Any = self._started(span) if self.processors else None
        for processor in self.processors:
            try:
                processor.on_start(given, parent_context=context)
            except Exception:  # noqa: BLE001 - logged; third-party code must not break a request
                _log.exception("span processor %s failed", type(processor).__name__)

    def finish(self, span: LightSpan, end_time: int) -> None:
        """End a span: processors may change it in `on_ending`, then it is exported, and they get it in `on_end`."""
        if span.ending:
            return
        span.ending = True
        given = self._started(span)
        for processor in self.processors:
            # The SDK's name has an underscore as long as the specification calls the method experimental.
            ending = getattr(processor, "on_ending", None) or getattr(processor, "_on_ending", None)
            self._tell(processor, ending, given)
        span.end_time = end_time
        if span.trace.flags & SAMPLED:
            self.sink(span)
        finished = self._finished(span)
        for processor in self.processors:
            self._tell(processor, processor.on_end, finished)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush the additional processors within the time; the exporter is flushed by `Tracing.force_flush`."""
        deadline = monotonic() + timeout_millis / 1000
        flushed = True
        for processor in self.processors:
            left = deadline - monotonic()
            done = left > 0 and self._tell(processor, processor.force_flush, int(left * 1000))
            flushed = done is not False and flushed
        return flushed

    def shutdown(self) -> None:
        """Shut down the additional processors."""
        for processor in self.processors:
            self._tell(processor, processor.shutdown)

    def _started(self, span: LightSpan) -> Any:
        """Return an open span as the SDK's class; the span itself, which has the same names, without the SDK."""
        try:
            load_sdk()
            from devenv.tracing.light.started import StartedSpan

            return StartedSpan(span)
        except Exception as error:  # noqa: BLE001 - logged; no SDK is installed, or its class has changed
            warn_once(_log, "span processors get spans of devenv's own class: %s", described(error))
            return span

    def _finished(self, span: LightSpan) -> Any:
        """Return the SDK's form of an ended span; the span itself, which has the same names, if that fails."""
        try:
            return self.readable(span)
        except Exception as error:  # noqa: BLE001 - logged; no SDK is installed, or it refuses a value
            warn_once(_log, "span processors get spans of devenv's own class: %s", described(error))
            return span

    @staticmethod
    def _tell(processor: object, method: Callable[..., Any] | None, *arguments: Any) -> Any:
        """Call a processor's method; False if it fails, so that the others are called."""
        try:
            return None if method is None else method(*arguments)
        except Exception:  # noqa: BLE001 - logged; third-party code must not break a request
            _log.exception("span processor %s failed", type(processor).__name__)
            return False
