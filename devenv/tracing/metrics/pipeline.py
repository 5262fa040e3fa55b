"""The metrics of this process: what measures, and the exporter.

A request passes what measures only if metrics are exported: it replaces a method of our integrations when these are
imported, so that they cost nothing more as long as no metrics are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from devenv.tracing.active import state
from devenv.tracing.export.redaction import Redactor
from devenv.tracing.integrations.on_import import when_imported
from devenv.tracing.metrics.encoding import MetricEncoder
from devenv.tracing.metrics.exporter import MetricExporter
from devenv.tracing.metrics.programs_own import programs_meter_provider
from devenv.tracing.metrics.settings import metric_settings
from devenv.tracing.process.faults import fault
from devenv.tracing.settings import Settings

_PLACES = (
    ("devenv.tracing.asgi", "asgi_requests"),
    ("devenv.tracing.clients", "calls"),
    ("devenv.tracing.sql", "statements"),
    ("devenv.tracing.integrations.databases.pymongo", "mongo_commands"),
    ("devenv.tracing.integrations.wsgi", "wsgi_requests"),
    ("devenv.tracing.integrations.aiohttp_server", "aiohttp_requests"),
    ("devenv.tracing.integrations.web.tornado_server", "tornado_requests"),
)
"""Modules of our integrations, and the module here that measures what they see."""


class Metrics:
    """The metrics of one `Tracing`.

    Args:
        settings: The resolved settings.
        redactor: Removes secrets from attributes.
        resource: Returns the resource attributes of the calling process.
    """

    def __init__(self, settings: Settings, redactor: Redactor, resource: Callable[[], Mapping[str, Any]]) -> None:
        export, delta, exponential = metric_settings(settings)
        encoder = MetricEncoder(redactor, None, export.attribute_length)
        self._exporter = MetricExporter(export, encoder, resource, delta, exponential)

    def install(self) -> None:
        """Measure from now on."""
        provider = programs_meter_provider()
        if provider is not None:
            self._use(provider)
        state.measure(self._exporter.meter)
        for integration, module in _PLACES:
            when_imported(integration, f"metrics of {integration}", _installing(module))

    def _use(self, provider: Any) -> None:
        try:
            self._exporter.use(provider)
        except Exception as error:  # noqa: BLE001 - logged; a provider of the program must not stop its start
            fault("by the program's meter provider", error)

    def force_flush(self, timeout_s: float = 10.0) -> bool:
        """Deliver what has been measured within the time; return False if that failed."""
        return self._exporter.force_flush(timeout_s)

    def shutdown(self, timeout_s: float = 5.0) -> bool:
        """Measure no more, and deliver what has been measured within the time. Return whether nothing is left."""
        if state.meter is self._exporter.meter:
            state.measure(None)
        return self._exporter.shutdown(timeout_s)


def _installing(module: str) -> Callable[[], None]:
    def install() -> None:
        import_module(f"devenv.tracing.metrics.{module}").install()

    return install
