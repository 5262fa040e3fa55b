"""Metrics of OTLP in JSON, encoded as protobuf.

Format: https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/metrics/v1/metrics.proto
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from devenv.otlp import messages
from devenv.otlp.deep_values import TooDeep
from devenv.otlp.json_fields import (
    Document,
    an_object,
    enum,
    integer,
    objects,
    set_attributes,
    text_of,
    value_of,
    whole,
)
from devenv.otlp.json_requests import REFUSED, JsonSignal
from devenv.otlp.metric_points import MetricMessage

_TEMPORALITIES = ("UNSPECIFIED", "DELTA", "CUMULATIVE")
_DATA = (
    ("gauge", "gauge"),
    ("sum", "sum"),
    ("histogram", "histogram"),
    ("exponentialHistogram", "exponential_histogram"),
    ("summary", "summary"),
)


def encoded_metric(document: Document) -> bytes:
    """Return a metric in protobuf; ``REFUSED`` if one of its values is nested too deep."""
    try:
        return _metric(document)
    except (TooDeep, RecursionError):
        return REFUSED


def _metric(document: Document) -> bytes:
    metric = MetricMessage(
        name=text_of(document, "name"), description=text_of(document, "description"), unit=text_of(document, "unit")
    )
    for camel, field in _DATA:
        if value_of(document, camel, field) is None:
            continue
        data = an_object(document, camel if document.get(camel) is not None else field)
        target = getattr(metric, field)
        target.SetInParent()
        if field not in {"gauge", "summary"}:
            names = ("aggregationTemporality", "aggregation_temporality")
            target.temporality = enum(data, "AGGREGATION_TEMPORALITY_", _TEMPORALITIES, *names)
        if field == "sum":
            monotonic = value_of(data, "isMonotonic", "is_monotonic")
            if monotonic is not None and not isinstance(monotonic, bool):
                raise TypeError(f"{str(monotonic)[:40]!r} is not a boolean")
            target.is_monotonic = bool(monotonic)
        for each in objects(data, "dataPoints", "data_points"):
            point = target.points.add()
            point.start = integer(each, "startTimeUnixNano", "start_time_unix_nano")
            point.time = integer(each, "timeUnixNano", "time_unix_nano")
            point.flags = integer(each, "flags")
            point.attributes.extend(_attributes(each))
            _READERS[field](point, each)
    encoded: bytes = metric.SerializeToString()
    return encoded


def _attributes(document: Document) -> list[bytes]:
    resource = messages.Resource()
    set_attributes(resource.attributes, document)
    return [pair.SerializeToString() for pair in resource.attributes]


def _number(point: Any, document: Document) -> None:
    whole_number = value_of(document, "asInt", "as_int")
    if whole_number is not None:
        point.as_int = whole(whole_number)
    _set_double(point, "as_double", document, "asDouble", "as_double")


def _observations(point: Any, document: Document) -> None:
    point.count = integer(document, "count")
    for name in ("sum", "min", "max"):
        _set_double(point, name, document, name)


def _histogram(point: Any, document: Document) -> None:
    _observations(point, document)
    point.bucket_counts.extend(map(whole, _values(document, "bucketCounts", "bucket_counts")))
    point.bounds.extend(map(_double, _values(document, "explicitBounds", "explicit_bounds")))


def _exponential(point: Any, document: Document) -> None:
    _observations(point, document)
    point.scale = integer(document, "scale")
    point.zero_count = integer(document, "zeroCount", "zero_count")
    _set_double(point, "zero_threshold", document, "zeroThreshold", "zero_threshold")
    for side in ("positive", "negative"):
        buckets = an_object(document, side)
        getattr(point, side).offset = integer(buckets, "offset")
        getattr(point, side).bucket_counts.extend(map(whole, _values(buckets, "bucketCounts", "bucket_counts")))


def _summary(point: Any, document: Document) -> None:
    point.count = integer(document, "count")
    _set_double(point, "sum", document, "sum")
    for each in objects(document, "quantileValues", "quantile_values"):
        quantile = point.quantiles.add()
        for name in ("quantile", "value"):
            _set_double(quantile, name, each, name)


def _set_double(target: Any, field: str, document: Document, *names: str) -> None:
    value = value_of(document, *names)
    if value is not None:
        setattr(target, field, _double(value))


def _double(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError(f"{str(value)[:40]!r} is not a number")
    return float(value)  # also of "NaN", "Infinity" and "-Infinity", as protobuf writes them


def _values(document: Document, *names: str) -> list[Any]:
    value = value_of(document, *names)
    if value is None:
        return []
    if not isinstance(value, list):
        raise TypeError(f"{names[0]} is not a list")
    return value


_READERS: dict[str, Callable[[Any, Document], None]] = {
    "gauge": _number,
    "sum": _number,
    "histogram": _histogram,
    "exponential_histogram": _exponential,
    "summary": _summary,
}

METRICS = JsonSignal(
    ("resourceMetrics", "resource_metrics"), ("scopeMetrics", "scope_metrics"), ("metrics",), encoded_metric
)
