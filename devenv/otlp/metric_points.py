"""The data points of an encoded OTLP metric as plain values.

Data model: https://opentelemetry.io/docs/specs/otel/metrics/data-model/.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import islice, pairwise, repeat
from typing import Any, Literal

from google.protobuf.message import DecodeError

from devenv.immutable import immutable
from devenv.otlp import messages
from devenv.otlp.values import text
from devenv.otlp.wire import Undecodable

Kind = Literal["gauge", "sum", "histogram", "exponential_histogram", "summary"]
Temporality = Literal["", "delta", "cumulative"]

_TIMES = ("2 start fixed64", "3 time fixed64")
# As in `devenv.otlp.messages`, text is bytes, and enums are int32. Attributes stay encoded: a series is found by them.
# Exemplars are not read. The outer layers of a request are those of traces.
MetricMessage: Any = messages.define(
    "devenv.metrics",
    {
        "Metric": (
            "1 name bytes",
            "2 description bytes",
            "3 unit bytes",
            "5 gauge Gauge",
            "7 sum Sum",
            "9 histogram Histogram",
            "10 exponential_histogram ExponentialHistogram",
            "11 summary Summary",
        ),
        "Gauge": ("1 points NumberPoint*",),
        "Sum": ("1 points NumberPoint*", "2 temporality int32", "3 is_monotonic bool"),
        "Histogram": ("1 points HistogramPoint*", "2 temporality int32"),
        "ExponentialHistogram": ("1 points ExponentialPoint*", "2 temporality int32"),
        "Summary": ("1 points SummaryPoint*",),
        "NumberPoint": (*_TIMES, "4 as_double double?", "6 as_int sfixed64?", "7 attributes bytes*", "8 flags uint32"),
        "HistogramPoint": (
            *_TIMES,
            "4 count fixed64",
            "5 sum double?",
            "6 bucket_counts fixed64*",
            "7 bounds double*",
            "9 attributes bytes*",
            "10 flags uint32",
            "11 min double?",
            "12 max double?",
        ),
        "ExponentialPoint": (
            "1 attributes bytes*",
            *_TIMES,
            "4 count fixed64",
            "5 sum double?",
            "6 scale sint32",
            "7 zero_count fixed64",
            "8 positive Buckets",
            "9 negative Buckets",
            "10 flags uint32",
            "12 min double?",
            "13 max double?",
            "14 zero_threshold double",
        ),
        "Buckets": ("1 offset sint32", "2 bucket_counts uint64*"),
        "SummaryPoint": (
            *_TIMES,
            "4 count fixed64",
            "5 sum double",
            "6 quantiles Quantile*",
            "7 attributes bytes*",
            "8 flags uint32",
        ),
        "Quantile": ("1 quantile double", "2 value double"),
    },
)["Metric"]

MAX_METRIC_BYTES = 1024 * 1024
"""A larger metric is refused: it takes longer to decode than others should wait."""
MAX_POINTS = 4096
"""Data points of one metric that are read."""
MAX_BOUNDS = 256
MAX_INDEXES = 1024
"""Buckets on one side of an exponential histogram; SDKs have 160 at most."""
MAX_SCALE = 30
MAX_NAME_BYTES = 1024
MAX_ATTRIBUTE_BYTES = 4096
_NO_VALUE = 1  # of the flags: the series has ended
_TEMPORALITIES: tuple[Temporality, ...] = ("", "delta", "cumulative")
_KINDS: tuple[Kind, ...] = ("gauge", "sum", "histogram", "exponential_histogram", "summary")


@immutable()
class Observations:
    """Observations in buckets.

    Attributes:
        sum: of the observations; None if it is unknown.
        layout: the upper bounds, each of which belongs to its bucket, or the scale of an exponential histogram.
        buckets: counts that are not 0; by the bucket's place for bounds, else by :func:`exponential_number`.
        least, most: the smallest and the largest observation; None if they are unknown.
    """

    count: int
    sum: float | None
    layout: tuple[float, ...] | int
    buckets: dict[int, int]
    least: float | None = None
    most: float | None = None


@immutable()
class Quantiles:
    """A summary: what the program itself computed."""

    count: int
    sum: float
    values: tuple[tuple[float, float], ...]


Value = int | float | Observations | Quantiles | None


@immutable()
class Point:
    """One data point; times in ns, 0 if they are unknown. ``value`` is None if the series has ended."""

    attributes: tuple[bytes, ...]
    start: int
    time: int
    value: Value


@immutable()
class Metric:
    """A metric, without its data points."""

    name: str
    unit: str
    description: str
    kind: Kind
    monotonic: bool
    temporality: Temporality


def decode(encoded: bytes) -> tuple[Metric, Iterator[Point | str]] | str:
    """Return the metric and its data points; for a point that cannot be used, the reason.

    If none can be used and their number is unknown, the reason alone.

    Raises:
        Undecodable: If it is not a metric.
    """
    if len(encoded) > MAX_METRIC_BYTES:
        return f"a metric larger than {MAX_METRIC_BYTES} bytes"
    try:
        found = MetricMessage.FromString(encoded)
    except DecodeError as error:
        raise Undecodable(f"metric: {error}") from error
    kind = next((kind for kind in _KINDS if found.HasField(kind)), None)
    if kind is None:
        return "a metric without data of a known kind"
    data = getattr(found, kind)
    temporality: Temporality = ""
    if kind not in {"gauge", "summary"}:
        temporality = _TEMPORALITIES[data.temporality] if 0 <= data.temporality < len(_TEMPORALITIES) else ""
    wrong = ""
    if not 0 < len(found.name) <= MAX_NAME_BYTES:
        wrong = f"a metric's name of {len(found.name)} bytes"
    elif kind not in {"gauge", "summary"} and not temporality:
        wrong = "neither delta nor cumulative temporality"
    metric = Metric(
        name=text(found.name),
        unit=text(found.unit[:MAX_NAME_BYTES]),
        description=text(found.description[:MAX_NAME_BYTES]),
        kind=kind,
        monotonic=kind == "sum" and data.is_monotonic,
        temporality=temporality,
    )
    return metric, _points(kind, data.points, wrong)


def _points(kind: Kind, encoded: Any, wrong: str) -> Iterator[Point | str]:
    read = _READERS[kind]
    for point in islice(encoded, MAX_POINTS):
        attributes = tuple(point.attributes)
        if wrong:
            yield wrong
        elif len(b"".join(attributes)) > MAX_ATTRIBUTE_BYTES:
            yield f"attributes larger than {MAX_ATTRIBUTE_BYTES} bytes"
        else:
            found = None if point.flags & _NO_VALUE else read(point)
            if isinstance(found, str):
                yield found
            elif kind == "sum" and isinstance(found, float) and not math.isfinite(found):
                yield "a sum that is not a finite number"
            else:
                yield Point(attributes, point.start, point.time, found)
    yield from repeat(f"more than {MAX_POINTS} data points of one metric", max(len(encoded) - MAX_POINTS, 0))


def exponential_number(index: int, sign: int) -> int:
    """Return the number of an exponential histogram's bucket: 0 is the one around zero.

    The values of a bucket are above ``base ** index`` and up to ``base ** (index + 1)``, with the base
    ``2 ** 2 ** -scale``.

    Args:
        index: of the bucket.
        sign: 1 for positive values, 2 for negative ones.
    """
    return index * 3 + sign


def _number(point: Any) -> Value | str:
    if point.HasField("as_int"):
        return int(point.as_int)
    return float(point.as_double) if point.HasField("as_double") else "a data point without a value"


def _histogram(point: Any) -> Value | str:
    bounds, counts = tuple(point.bounds), point.bucket_counts
    if len(bounds) > MAX_BOUNDS:
        return f"a histogram with more than {MAX_BOUNDS} bounds"
    if len(counts) != len(bounds) + 1 and (counts or bounds):
        return "a histogram whose bounds do not fit its buckets"
    if not all(low < high for low, high in pairwise(bounds)) or any(map(math.isnan, bounds)):
        return "a histogram whose bounds do not increase"
    buckets = {place: count for place, count in enumerate(counts) if count}
    return Observations(point.count, _finite(point, "sum"), bounds, buckets, *_extremes(point))


def _exponential(point: Any) -> Value | str:
    if abs(point.scale) > MAX_SCALE:
        return f"an exponential histogram with a scale beyond {MAX_SCALE}"
    buckets = {0: point.zero_count} if point.zero_count else {}
    for side, sign in ((point.positive, 1), (point.negative, 2)):
        if len(side.bucket_counts) > MAX_INDEXES:
            return f"an exponential histogram with more than {MAX_INDEXES} buckets"
        for index, count in enumerate(side.bucket_counts, side.offset):
            if count:
                buckets[exponential_number(index, sign)] = count
    return Observations(point.count, _finite(point, "sum"), point.scale, buckets, *_extremes(point))


def _summary(point: Any) -> Value | str:
    if len(point.quantiles) > MAX_BOUNDS:
        return f"a summary with more than {MAX_BOUNDS} quantiles"
    return Quantiles(point.count, point.sum, tuple((each.quantile, each.value) for each in point.quantiles))


def _extremes(point: Any) -> tuple[float | None, float | None]:
    return _finite(point, "min"), _finite(point, "max")


def _finite(point: Any, name: str) -> float | None:
    value: float = getattr(point, name)
    return value if point.HasField(name) and math.isfinite(value) else None


_READERS: dict[Kind, Callable[[Any], Value | str]] = {
    "gauge": _number,
    "sum": _number,
    "histogram": _histogram,
    "exponential_histogram": _exponential,
    "summary": _summary,
}
