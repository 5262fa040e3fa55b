"""The light tracer provider: same API as OpenTelemetry's, one exporter built in, other processors on request."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import NoOpTracer, Tracer, TracerProvider
from opentelemetry.util.types import Attributes

from devenv.tracing.light.decision import Decider
from devenv.tracing.light.span import LightSpan
from devenv.tracing.light.tracer import LightTracer
from devenv.tracing.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor

_log = logging.getLogger(__name__)


class LightProvider(TracerProvider):
    """Creates tracers.

    Args:
        settings: The limits, and whether spans are recorded.
        resource: Returns the resource attributes; called again after a fork.
        decider: Decides which traces are recorded.
        sink: Accepts every ended sampled span; must not block or raise.

    Attributes:
        processors: Additional span processors with the SDK's interface.
        surplus: Spans left out because their trace reached its limit.
    """

    def __init__(
        self,
        settings: Settings,
        resource: Callable[[], Mapping[str, Any]],
        decider: Decider,
        sink: Callable[[LightSpan], None],
    ) -> None:
        self.settings = settings
        self.decider = decider
        self.sink = sink
        self.processors: tuple[SpanProcessor, ...] = ()
        self.surplus = 0
        self._resource = resource
        self._tracers: dict[tuple[str, str, str], LightTracer] = {}
        self._lock = threading.Lock()

    @property
    def resource(self) -> Any:
        """The resource as the SDK's type, for code that reads it from a provider."""
        from opentelemetry.sdk.resources import Resource

        return Resource(dict(self._resource()))

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Attributes = None,
    ) -> Tracer:
        """Return the tracer of a scope; the same tracer for the same scope."""
        if not self.settings.enabled:
            return NoOpTracer()
        key = (instrumenting_module_name or "", instrumenting_library_version or "", schema_url or "")
        tracer = self._tracers.get(key)
        if tracer is None:
            with self._lock:
                tracer = self._tracers.setdefault(key, LightTracer(self, (*key, dict(attributes or {}))))
        return tracer

    def add_span_processor(self, span_processor: SpanProcessor) -> None:
        """Add a processor with the SDK's interface; it receives an SDK `ReadableSpan` at the end of each span."""
        with self._lock:
            self.processors = (*self.processors, span_processor)

    def count_surplus(self) -> None:
        """Count a span beyond its trace's limit."""
        with self._lock:
            self.surplus += 1

    def process(self, span: LightSpan) -> None:
        """Pass an ended span to the additional processors; if one fails, the others still get it."""
        from devenv.tracing.light.readable import readable

        finished = readable(span, self.resource)
        for processor in self.processors:
            try:
                processor.on_end(finished)
            except Exception:  # noqa: BLE001 - logged; third-party code must not break a request
                _log.exception("span processor %s failed", type(processor).__name__)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush the additional processors within the time; the exporter is flushed by `Tracing.force_flush`."""
        deadline = monotonic() + timeout_millis / 1000
        flushed = True
        for processor in self.processors:
            left = deadline - monotonic()
            flushed = left > 0 and processor.force_flush(int(left * 1000)) is not False and flushed
        return flushed

    def shutdown(self) -> None:
        """Shut down the additional processors."""
        for processor in self.processors:
            processor.shutdown()
