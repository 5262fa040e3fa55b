"""The settings of the export of log records: those of the spans, but for what the variables of logs set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from devenv.tracing.configuration.environment import read_keys
from devenv.tracing.export.signal import LOG_RECORDS, SPANS, origins_of
from devenv.tracing.settings import KEYS, Key, Settings

_DELAY_MS = 1000
"""Default of OTEL_BLRP_SCHEDULE_DELAY."""
_SHARED = (
    "endpoint", "headers", "timeout_s", "compression", "protocol", "certificate", "client_certificate", "client_key",
    "max_queue_size", "max_batch_size", "schedule_delay_ms", "export_timeout_ms",
)  # fmt: skip
_LIMITS = {
    "event_attributes": ("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"),
    "attribute_length": ("OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"),
}


def _of_logs(variable: str) -> str:
    return variable.replace(f"_{SPANS.variable}_", f"_{LOG_RECORDS.variable}_").replace("OTEL_BSP_", "OTEL_BLRP_")


LOG_KEYS: Mapping[str, Key] = {
    **{name: replace(KEYS[name], variables=tuple(map(_of_logs, KEYS[name].variables))) for name in _SHARED},
    **{name: replace(KEYS[name], variables=variables) for name, variables in _LIMITS.items()},
}


def read_log_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the values that the environment sets for log records, by the field's name in `Settings`."""
    return {name: value for name, (value, _) in read_keys(environ, LOG_KEYS).items()}


def log_settings(settings: Settings) -> Settings:
    """Return the settings with which log records are exported.

    Without their own endpoint they go to the receiver of the spans, to /v1/logs.
    """
    endpoint = settings.endpoint
    if endpoint.endswith(SPANS.path):
        endpoint = endpoint[: -len(SPANS.path)] + LOG_RECORDS.path
    found = {"endpoint": endpoint, "schedule_delay_ms": _DELAY_MS, **settings.logs}
    return replace(settings, **found, origins=origins_of(settings.origins, settings.logs))
