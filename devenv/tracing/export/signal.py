"""The signals of OTLP that are exported, and what differs between them on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Signal(NamedTuple):
    """One signal (https://opentelemetry.io/docs/specs/otlp/).

    Attributes:
        item: What is exported, for messages.
        items: The same, several of them.
        path: Path below the receiver's base URL.
        variable: Part of the names of the signal's own variables.
        message: Name of its request in `devenv.tracing.export.json_encoding`.
        service: Name of its gRPC service.
        patient: Whether a failed attempt is told only with the last one: later exports have what this one had.
    """

    item: str
    items: str
    path: str
    variable: str
    message: str
    service: str
    patient: bool = False


SPANS = Signal(
    "span", "spans", "/v1/traces", "TRACES", "TracesRequest", "opentelemetry.proto.collector.trace.v1.TraceService"
)
LOG_RECORDS = Signal(
    "log record", "log records", "/v1/logs", "LOGS", "LogsRequest", "opentelemetry.proto.collector.logs.v1.LogsService"
)
METRICS = Signal(
    "metric",
    "metrics",
    "/v1/metrics",
    "METRICS",
    "MetricsRequest",
    "opentelemetry.proto.collector.metrics.v1.MetricsService",
    patient=True,
)


def origins_of(origins: Mapping[str, str], found: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the origins of the settings of a signal: over gRPC an endpoint that is not set has another port.

    Args:
        origins: Those of the settings of spans.
        found: What the variables of the signal set, by the fields' names.
    """
    return {**origins, "exporter.endpoint": "environment"} if "endpoint" in found else origins
