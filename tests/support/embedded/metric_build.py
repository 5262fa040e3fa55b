"""OTLP metrics for tests, made with the official protobuf classes, and a store of them with its own clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, NumberDataPoint, ResourceMetrics
from otlp_build import set_attributes

from devenv.backend.metrics.checked_metrics import check
from devenv.backend.metrics.series import Series
from devenv.backend.metrics.store import MetricStore
from devenv.otlp.batches import batches

SECOND = 1_000_000_000
NOW = 1_700_000_000 * SECOND
DELTA, CUMULATIVE = 1, 2


def number(value: float, at: int, start: int = 0, flags: int = 0, **attributes: Any) -> NumberDataPoint:
    point = NumberDataPoint(time_unix_nano=at, start_time_unix_nano=start, flags=flags)
    if isinstance(value, int):
        point.as_int = value
    else:
        point.as_double = value
    set_attributes(point.attributes, attributes)
    return point


def gauge(*points: NumberDataPoint, name: str = "gauge", unit: str = "") -> Metric:
    metric = Metric(name=name, unit=unit)
    metric.gauge.data_points.extend(points)
    return metric


def counter(
    *points: NumberDataPoint, name: str = "counter", temporality: int = CUMULATIVE, monotonic: bool = True
) -> Metric:
    metric = Metric(name=name)
    metric.sum.is_monotonic = monotonic
    metric.sum.aggregation_temporality = temporality  # type: ignore[assignment]  # any number goes over the wire
    metric.sum.data_points.extend(points)
    return metric


def histogram(
    counts: Sequence[int],
    bounds: Sequence[float],
    at: int,
    start: int = 0,
    *,
    total: float | None = None,
    temporality: int = CUMULATIVE,
    **attributes: Any,
) -> Metric:
    metric = Metric(name="histogram", unit="s")
    metric.histogram.aggregation_temporality = temporality  # type: ignore[assignment]
    point = metric.histogram.data_points.add(time_unix_nano=at, start_time_unix_nano=start, count=sum(counts))
    point.bucket_counts.extend(counts)
    point.explicit_bounds.extend(bounds)
    if total is not None:
        point.sum = total
    set_attributes(point.attributes, attributes)
    return metric


def exponential(
    scale: int, at: int, start: int = 0, *, positive: dict[int, int], zeros: int = 0, temporality: int = CUMULATIVE
) -> Metric:
    metric = Metric(name="exponential")
    metric.exponential_histogram.aggregation_temporality = temporality  # type: ignore[assignment]
    point = metric.exponential_histogram.data_points.add(
        time_unix_nano=at, start_time_unix_nano=start, scale=scale, zero_count=zeros
    )
    point.count = sum(positive.values()) + zeros
    if positive:
        low, high = min(positive), max(positive)
        point.positive.offset = low
        point.positive.bucket_counts.extend(positive.get(index, 0) for index in range(low, high + 1))
    return metric


def resource_metrics(service: str | None, *metrics: Metric, **resource: Any) -> ResourceMetrics:
    found = ResourceMetrics()
    described = {} if service is None else {"service.name": service}
    set_attributes(found.resource.attributes, {**described, **resource})
    scope = found.scope_metrics.add()
    scope.scope.name = "test"
    scope.metrics.extend(metrics)
    return found


def metrics_request(*parts: ResourceMetrics) -> bytes:
    return ExportMetricsServiceRequest(resource_metrics=parts).SerializeToString()


class Recorded:
    """A store whose clock is ``now``."""

    def __init__(self, most: int = 100) -> None:
        self.now = NOW
        self.store = MetricStore(lambda: self.now, most)

    def take(self, body: bytes) -> int:
        """Store a request; the number of data points that were not."""
        refused = 0
        for batch in batches(body):
            checked = check(batch.spans)
            refused += checked.rejected + self.store.add(batch, checked)
        return refused

    def send(self, *metrics: Metric, service: str = "web", **resource: Any) -> int:
        """Store metrics of a service; the number of data points that were not."""
        return self.take(metrics_request(resource_metrics(service, *metrics, **resource)))

    def one(self, service: str = "web") -> Series:
        """The only series of a service."""
        (found,) = self.store.of(service)
        return found
