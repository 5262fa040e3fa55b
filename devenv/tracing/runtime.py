"""`setup`: builds provider, propagators and exporter from the settings and installs them for the process."""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import NoOpTracerProvider, Tracer, TracerProvider

from devenv.tracing.active import SCHEMA_URL, SCOPE, state
from devenv.tracing.configuration.resolution import resolve
from devenv.tracing.export.encoding import Encoder
from devenv.tracing.export.exporter import BatchExporter, ExportStats, Sender
from devenv.tracing.export.redaction import Redactor
from devenv.tracing.light.choice import choose
from devenv.tracing.light.decision import CustomSampler, Decider
from devenv.tracing.light.provider import LightProvider
from devenv.tracing.light.tracer import LightTracer
from devenv.tracing.light.unsampled import UnsampledSpan
from devenv.tracing.process.captured_headers import captured
from devenv.tracing.process.diagnostics import set_level
from devenv.tracing.process.ending import EXIT_TIMEOUT_S, watch
from devenv.tracing.process.excluded_urls import excluded_calls
from devenv.tracing.process.global_api import install_propagator, install_provider, load_sdk, programs_provider
from devenv.tracing.process.resource import ProcessResource
from devenv.tracing.propagation import W3CPropagator
from devenv.tracing.settings import Settings

if TYPE_CHECKING:
    from devenv.tracing.export.several import Exporters
    from devenv.tracing.metrics.pipeline import Metrics

_log = logging.getLogger(__name__)
_lock = threading.Lock()

W3C_NAMES = frozenset({"tracecontext", "baggage", "none"})


class Tracing:
    """The tracing of one service in this process.

    Attributes:
        settings: The resolved settings; `settings.origin(key)` returns where a value comes from.
        provider: The tracer provider, OpenTelemetry's interface.
        redactor: Removes secrets from spans.
        resource: Returns the resource attributes of the calling process.
        provisional: A later `setup` takes its place: it was set up from outside, not by the program.

    Args:
        settings: The resolved settings.
        sender: Creates the sender, instead of the one in the settings (tests); see `BatchExporter`.
        sampler: Decides instead of the sampler in the settings.
        id_generator: Generates the IDs, instead of the generator in the settings.
        foreign: The program's own provider, to which all spans go. It is not shut down.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        sender: Callable[[Callable[[float], bool]], Sender] | None = None,
        sampler: CustomSampler | None = None,
        id_generator: Any = None,
        foreign: TracerProvider | None = None,
    ) -> None:
        self.settings = settings
        self.provisional = False
        self._foreign = foreign
        self.redactor = Redactor(settings.redacted_keys, settings.redacted_parameters, enabled=settings.redaction)
        self.resource = ProcessResource(settings)
        self._exporter = self._make_exporter(sender)
        self._logs = self._make_log_exporter() if settings.logs_exporter != "none" and settings.enabled else None
        self._metrics = self._make_metrics() if settings.metrics_exporter != "none" and settings.enabled else None
        self._decider = choose(settings, sampler) if settings.enabled else Decider(0.0)
        self.propagator = self._make_propagator()
        self.provider: TracerProvider = self._make_provider(id_generator)

    @property
    def service_name(self) -> str:
        """The name of the service in its traces."""
        return self.settings.service_name

    def tracer(self, name: str) -> Tracer:
        """Return a tracer for an instrumentation scope."""
        return self.provider.get_tracer(name)

    @property
    def light(self) -> LightTracer | None:
        """The light provider's tracer, None with the SDK's provider or if tracing is off."""
        tracer = self.provider.get_tracer(SCOPE, schema_url=SCHEMA_URL)
        return tracer if isinstance(tracer, LightTracer) else None

    @property
    def cheap(self) -> bool:
        """Whether spans below an unsampled span need no sampling decision."""
        return not self.settings.enabled or self._decider.parent_based

    def stats(self) -> ExportStats:
        """Return the counts of exported, dropped, failed and waiting spans."""
        surplus: int = getattr(self.provider, "surplus", 0)
        if self._exporter is None:
            return ExportStats(0, surplus, 0, 0, 0)
        return self._exporter.stats(surplus)

    def force_flush(self, timeout_s: float = 10.0) -> bool:
        """Deliver every ended span, log record and measurement within the time; return False if that failed."""
        flush = getattr(self.provider, "force_flush", None)
        others = flush(int(timeout_s * 1000)) is not False if flush else True
        others = (self._logs is None or self._logs.force_flush(timeout_s)) and others
        others = (self._metrics is None or self._metrics.force_flush(timeout_s)) and others
        return (self._exporter is None or self._exporter.force_flush(timeout_s)) and others

    def shutdown(self, timeout_s: float = 5.0) -> bool:
        """Export all waiting spans within the time, then stop exporting. `setup` can be called again afterwards."""
        delivered = self._exporter is None or self._exporter.shutdown(timeout_s)
        if self._logs is not None:
            from devenv.tracing.logs.capture import stop_capture

            stop_capture(self._logs)
            delivered = self._logs.shutdown(timeout_s) and delivered
        if self._metrics is not None:
            delivered = self._metrics.shutdown(timeout_s) and delivered
        stop = getattr(self.provider, "shutdown", None)
        if stop is not None and self._foreign is None:
            stop()
        if state.tracing is self:
            state.clear()
        atexit.unregister(self._at_exit)
        return delivered

    def install(self) -> None:
        """Make this the process's tracing: OpenTelemetry's global provider and propagator, and `state`."""
        install_provider(self.provider)
        install_propagator(self.propagator)
        state.tracing = self
        state.use(self.light)
        state.passing = UnsampledSpan if self.cheap else None
        state.measure(None)
        state.off = not self.settings.enabled
        state.tracer = self.provider.get_tracer(SCOPE, schema_url=SCHEMA_URL)
        state.propagator = self.propagator
        state.redactor = self.redactor
        state.methods = frozenset(self.settings.known_methods)
        state.server_headers = captured(self.settings.captured_headers, "server")
        state.client_headers = captured(self.settings.captured_headers, "client")
        state.excluded = excluded_calls(self.settings)
        if self._metrics is not None:
            self._metrics.install()
        state.tell()
        if self._logs is not None:
            from devenv.tracing.logs.capture import capture_into
            from devenv.tracing.logs.settings import log_settings

            capture_into(self._logs, log_settings(self.settings).event_attributes)
        atexit.register(self._at_exit)
        watch()

    def leave_exit(self) -> Callable[[], None]:
        """Register nothing for the interpreter's exit; return what has to be called at it instead."""
        atexit.unregister(self._at_exit)
        return self._at_exit

    def _at_exit(self) -> None:
        try:
            self.shutdown(EXIT_TIMEOUT_S)
        except Exception:  # noqa: BLE001 - logged; an exit function that raises prints a traceback
            _log.warning("cannot export spans at the exit", exc_info=True)

    def _make_exporter(
        self, sender: Callable[[Callable[[float], bool]], Sender] | None
    ) -> BatchExporter | Exporters | None:
        settings = self.settings
        if not settings.enabled or self._foreign is not None or (settings.exporter == "none" and sender is None):
            return None
        encoder = Encoder(self.redactor, settings.span_attribute_length, settings.attribute_length)
        exporters = [BatchExporter(settings, encoder, self.resource, sender or _console(settings))]
        for further in settings.further if sender is None else ():
            one = replace(settings, **further)
            exporters.append(BatchExporter(one, encoder, self.resource, _console(one)))
        if len(exporters) == 1:
            return exporters[0]
        from devenv.tracing.export.several import Exporters

        return Exporters(exporters)

    def _make_log_exporter(self) -> BatchExporter:
        from devenv.tracing.export.signal import LOG_RECORDS
        from devenv.tracing.logs.encoding import LogEncoder
        from devenv.tracing.logs.settings import log_settings

        settings = log_settings(self.settings)
        encoder = LogEncoder(self.redactor, None, settings.attribute_length)
        return BatchExporter(settings, encoder, self.resource, signal=LOG_RECORDS)

    def _make_metrics(self) -> Metrics:
        from devenv.tracing.metrics.pipeline import Metrics

        return Metrics(self.settings, self.redactor, self.resource)

    def _make_propagator(self) -> W3CPropagator:
        names = self.settings.propagators
        if all(name in W3C_NAMES for name in names):
            return W3CPropagator(names)
        from devenv.tracing.mixed_propagation import MixedPropagator

        return MixedPropagator(names, self._decider.root)

    def _make_provider(self, generator: Any) -> TracerProvider:
        settings = self.settings
        if self._foreign is not None:
            return self._foreign
        if not settings.enabled:
            return NoOpTracerProvider()
        sink = self._exporter.offer if self._exporter is not None else _ignore
        if generator is None and settings.id_generator != "random":
            from devenv.tracing.light.ids import installed_generator

            generator = installed_generator(settings.id_generator)
        if settings.provider == "sdk" and has_sdk():
            load_sdk()
            from devenv.tracing.sdk import make_provider

            return make_provider(settings, self.resource, sink, self._decider.custom, generator)
        ids = None
        if generator is not None:
            from devenv.tracing.light.ids import CustomIds

            ids = CustomIds(generator)
        return LightProvider(settings, self.resource, self._decider, sink, ids)


def setup(
    config: str | Path | Mapping[str, Any] | None = None,
    *,
    service_name: str | None = None,
    environ: Mapping[str, str] | None = None,
    sampler: CustomSampler | None = None,
    id_generator: Any = None,
) -> Tracing:
    """Set up tracing for this process.

    If the program has installed a tracer provider, all spans go to it, so that there is one trace.

    The first call decides. Further calls return its result, whatever their arguments, until its `shutdown`; a call
    that names another service is logged.

    Args:
        config: Path of the service's config.yaml, or a mapping; its `tracing` section, or all of it if it has none.
        service_name: The service's name; takes precedence over config.yaml, but not over `OTEL_SERVICE_NAME`.
        environ: Environment variables. They take precedence over config. Default: `os.environ`.
        sampler: Decides which spans are recorded, instead of the sampler in the settings: an object with the method
            `should_sample` of the SDK's `Sampler`.
        id_generator: Generates the IDs: an object with `generate_trace_id` and `generate_span_id`, as the SDK's
            `IdGenerator`.

    Raises:
        ConfigError: If the configuration is wrong; the message contains file, line and column.
    """
    with _lock:
        earlier = state.tracing
        if isinstance(earlier, Tracing) and earlier.provisional:
            earlier.shutdown(1.0)
        elif isinstance(earlier, Tracing):
            if service_name and service_name != earlier.service_name:
                _log.info("tracing is already set up as %s; ignoring %s", earlier.service_name, service_name)
            return earlier
        settings = resolve(config, service_name=service_name, environ=os.environ if environ is None else environ)
        set_level(settings)
        foreign = _programs_own(settings)
        tracing = Tracing(settings, sampler=sampler, id_generator=id_generator, foreign=foreign)
        tracing.install()
        return tracing


def _programs_own(settings: Settings) -> TracerProvider | None:
    """Return the program's provider, with a warning that says what applies; None without one."""
    found = programs_provider() if settings.enabled else None
    if found is not None:
        _log.warning(
            "the program has installed a tracer provider, %s.%s: spans go to it, and its sampler, limits, resource and "
            "exporters apply instead of devenv.tracing's",
            type(found).__module__,
            type(found).__qualname__,
        )
    return found


def has_sdk() -> bool:
    """Return whether the OpenTelemetry SDK is installed; warn if it is not."""
    if find_spec("opentelemetry.sdk") is not None:
        return True
    _log.warning("provider: sdk needs opentelemetry-sdk, which is not installed; using the light provider")
    return False


def _console(settings: Settings) -> Callable[[Callable[[float], bool]], Sender] | None:
    """Return what creates the sender of an exporter that prints, None for OTLP alone."""
    if "console" not in settings.exporter:
        return None
    from devenv.tracing.export.console import console_sender

    return console_sender(settings, with_otlp="otlp" in settings.exporter)


def _ignore(_span: object) -> None:
    """Accepts spans that are not exported."""
