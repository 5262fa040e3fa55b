"""The settings of the export of metrics: those of the spans, but for what the variables of metrics set."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from devenv.tracing.configuration.environment import read_keys
from devenv.tracing.export.signal import METRICS, SPANS, origins_of
from devenv.tracing.light.notices import warn_once
from devenv.tracing.settings import KEYS, Key, Settings

_log = logging.getLogger(__name__)

_INTERVAL_MS, _TIMEOUT_MS = 60_000, 30_000
"""Defaults of OTEL_METRIC_EXPORT_INTERVAL and OTEL_METRIC_EXPORT_TIMEOUT."""
_SHARED = (
    "endpoint", "headers", "timeout_s", "compression", "protocol", "certificate", "client_certificate", "client_key",
)  # fmt: skip
_FILTER = "OTEL_METRICS_EXEMPLAR_FILTER"
_TEMPORALITY = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
_AGGREGATION = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION"
_EXPLICIT, _EXPONENTIAL = "explicit_bucket_histogram", "base2_exponential_bucket_histogram"


def _of_metrics(variable: str) -> str:
    return variable.replace(f"_{SPANS.variable}_", f"_{METRICS.variable}_")


METRIC_KEYS: Mapping[str, Key] = {
    **{name: replace(KEYS[name], variables=tuple(map(_of_metrics, KEYS[name].variables))) for name in _SHARED},
    "schedule_delay_ms": replace(KEYS["schedule_delay_ms"], variables=("OTEL_METRIC_EXPORT_INTERVAL",)),
    "export_timeout_ms": replace(KEYS["export_timeout_ms"], variables=("OTEL_METRIC_EXPORT_TIMEOUT",)),
    "temporality": Key("metrics.temporality", "str", (_TEMPORALITY,), ("cumulative", "delta", "lowmemory")),
    "aggregation": Key("metrics.aggregation", "str", (_AGGREGATION,), (_EXPLICIT, _EXPONENTIAL)),
    "exemplars": Key("metrics.exemplars", "str", (_FILTER,), ("always_on", "always_off", "trace_based")),
}


class MetricSettings(NamedTuple):
    """How metrics are exported.

    Attributes:
        export: Receiver, intervals and times, in the fields of the spans' settings.
        delta: Whether each export has what came since the one before, instead of what came since the start.
        exponential: Whether the buckets grow by a factor, instead of those that the conventions advise.
    """

    export: Settings
    delta: bool
    exponential: bool


def read_metric_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the values that the environment sets for metrics, by the names of `METRIC_KEYS`."""
    return {name: value for name, (value, _) in read_keys(environ, METRIC_KEYS).items()}


def metric_settings(settings: Settings) -> MetricSettings:
    """Return the settings with which metrics are exported.

    Without their own endpoint they go to the receiver of the spans, to /v1/metrics.
    """
    endpoint = settings.endpoint
    if endpoint.endswith(SPANS.path):
        endpoint = endpoint[: -len(SPANS.path)] + METRICS.path
    found = {
        "endpoint": endpoint,
        "schedule_delay_ms": _INTERVAL_MS,
        "export_timeout_ms": _TIMEOUT_MS,
        **settings.metrics,
    }
    # `lowmemory` is delta for histograms, and there are no other instruments.
    delta = found.pop("temporality", "cumulative") != "cumulative"
    exponential = found.pop("aggregation", _EXPLICIT) != _EXPLICIT
    if found.pop("exemplars", "always_off") != "always_off":
        warn_once(_log, "%s: no exemplars are exported", _FILTER)
    export = replace(settings, **found, origins=origins_of(settings.origins, settings.metrics))
    return MetricSettings(export, delta, exponential)
