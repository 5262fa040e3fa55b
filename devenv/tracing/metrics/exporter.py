"""Exports the meter's series at each interval, at a flush and at the end, by the pipeline of spans and log records."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any

from devenv.tracing.export.console import Both
from devenv.tracing.export.encoding import Encoder
from devenv.tracing.export.exporter import BatchExporter, Sender, otlp_sender
from devenv.tracing.export.json_encoding import as_json
from devenv.tracing.export.signal import METRICS
from devenv.tracing.export.transport import Outcome
from devenv.tracing.metrics.exponential import ExponentialHistogram
from devenv.tracing.metrics.programs_own import hand_over, programs_meter_provider
from devenv.tracing.metrics.store import ExplicitHistogram, Meter
from devenv.tracing.process.faults import fault
from devenv.tracing.settings import Settings

_log = logging.getLogger(__name__)

_NOT_FOUND = "HTTP 404"


class MetricExporter(BatchExporter):
    """Collects from a meter and delivers, from its own thread, which starts with the first measurement.

    Args:
        settings: Receiver, interval and times.
        encoder: Encodes what is collected.
        resource: Returns the resource attributes; called again after a fork.
        delta: Whether each export has what came since the one before.
        exponential: Whether the buckets grow by a factor.
        sender: As for `BatchExporter`.

    Attributes:
        meter: The meter.
    """

    def __init__(
        self,
        settings: Settings,
        encoder: Encoder,
        resource: Callable[[], Mapping[str, Any]],
        delta: bool,
        exponential: bool = False,
        sender: Callable[[Callable[[float], bool]], Sender] | None = None,
    ) -> None:
        self.meter = Meter(delta, self._begin, ExponentialHistogram if exponential else ExplicitHistogram)
        self._delta = delta
        self._told = self._handed_over = False
        super().__init__(settings, encoder, resource, sender or _console(settings), METRICS)

    def after_fork(self) -> None:
        """Reset a forked child: what the parent has measured is the parent's."""
        super().after_fork()
        self.meter.restart()
        self._told = False

    def force_flush(self, timeout_s: float = 10.0) -> bool:
        """Deliver what has been measured; return False if that failed or took longer."""
        self._collect_here()
        return super().force_flush(timeout_s)

    def shutdown(self, timeout_s: float = 5.0) -> bool:
        """Deliver what has been measured within the time, then stop. Return whether nothing is left."""
        self._collect_here()
        return super().shutdown(timeout_s)

    def _collect_here(self) -> None:
        if self._thread is None and not self._closed:  # none could be started, or there is nothing
            self._collect()

    def _collect(self) -> None:
        try:
            if not self._delta:
                self._queue.clear()  # a later collection has all of an earlier one
            self._queue.extend(self.meter.collect())
            provider = None if self._handed_over else programs_meter_provider()
            if provider is not None:
                self.use(provider)
        except Exception as error:  # noqa: BLE001 - logged; the thread must survive
            fault("durations", error)

    def use(self, provider: Any) -> None:
        """Let the meter record by the program's provider, and forget what has been collected."""
        self._handed_over = True
        hand_over(self.meter, provider)
        self.meter.restart()

    def _drain(self, least: int) -> None:
        if least == 1:  # the interval is over, or a flush, or the end
            self._collect()
        super()._drain(least)

    def _report(self, outcome: Outcome) -> None:
        """Tell once that metrics are not delivered, until some are: the next export comes anyway."""
        if not outcome.rejected:
            self._told = False
            return
        if self._told:
            _log.debug("metrics are still not delivered: %s", outcome.reason)
            return
        self._told = True
        hint = ""
        if outcome.reason.startswith(_NOT_FOUND):
            hint = (
                "; it may be a receiver of traces only, such as Jaeger: set OTEL_EXPORTER_OTLP_METRICS_ENDPOINT, "
                "or OTEL_METRICS_EXPORTER=none"
            )
        _log.warning(
            "metrics are not delivered to %s (%s)%s; further attempts, each %g s, are not told",
            self._settings.receiver,
            outcome.reason,
            hint,
            self._settings.schedule_delay_ms / 1000,
        )


def _console(settings: Settings) -> Callable[[Callable[[float], bool]], Sender] | None:
    """Return what creates the sender of an exporter that prints, None for OTLP alone."""
    if "console" not in settings.metrics_exporter:
        return None

    def make(pause: Callable[[float], bool]) -> Sender:
        lines = MetricLines(settings.console)
        return Both(lines, otlp_sender(settings, pause, METRICS)) if "otlp" in settings.metrics_exporter else lines

    return make


class MetricLines:
    """Writes metrics as OTLP JSON, one per line.

    Args:
        stream: `stderr` or `stdout`, looked up for each batch: a program may replace it.
    """

    def __init__(self, stream: str) -> None:
        self._stream = stream

    def send(self, body: bytes, spans: int, deadline: float) -> Outcome:  # noqa: ARG002 - the Sender protocol
        """Write the metrics of an encoded request."""
        stream = getattr(sys, self._stream)
        for resource in json.loads(as_json(body, METRICS.message))["resourceMetrics"]:
            for scope in resource["scopeMetrics"]:
                for metric in scope["metrics"]:
                    stream.write(json.dumps(metric, separators=(",", ":")) + "\n")
        stream.flush()
        return Outcome(0)

    def close(self) -> None:
        """Do nothing: no connection is open."""
