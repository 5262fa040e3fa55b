"""Data points as plain values, and the reasons for those that cannot be used."""

from __future__ import annotations

import math

import pytest
from embedded.metric_build import DELTA, counter, exponential, gauge, histogram, number
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from devenv.otlp.metric_points import MAX_METRIC_BYTES, MAX_POINTS, Observations, Point, Quantiles, decode
from devenv.otlp.wire import Undecodable


def points(metric: Metric) -> list[Point | str]:
    found = decode(metric.SerializeToString())
    assert not isinstance(found, str), found
    return list(found[1])


def value(metric: Metric) -> object:
    (point,) = points(metric)
    assert isinstance(point, Point), point
    return point.value


def test_numbers_keep_their_type() -> None:
    assert value(gauge(number(-3, 1))) == -3
    assert value(gauge(number(2**62 + 1, 1))) == 2**62 + 1
    assert value(gauge(number(0.0, 1))) == 0.0
    assert math.isnan(value(gauge(number(math.nan, 1))))  # type: ignore[arg-type]


def test_a_metric_says_what_it_is() -> None:
    metric = counter(number(1, 5, start=2, a="b"), temporality=DELTA)
    metric.unit, metric.description = "By", "Bytes."
    found = decode(metric.SerializeToString())
    assert not isinstance(found, str)
    head, (point,) = found
    assert (head.name, head.unit, head.description, head.kind) == ("counter", "By", "Bytes.", "sum")
    assert (head.monotonic, head.temporality) == (True, "delta")
    assert isinstance(point, Point)
    assert (point.start, point.time, len(point.attributes)) == (2, 5, 1)


def test_histograms() -> None:
    found = value(histogram([0, 2, 1], [1.0, 2.5], 7, total=4.5))
    assert found == Observations(3, 4.5, (1.0, 2.5), {1: 2, 2: 1})
    assert value(histogram([1], [], 7)) == Observations(1, None, (), {0: 1})
    assert value(histogram([], [], 7)) == Observations(0, None, (), {})


def test_exponential_histograms() -> None:
    metric = exponential(2, 7, positive={-2: 1, 0: 3}, zeros=4)
    negative = metric.exponential_histogram.data_points[0].negative
    negative.offset = -1
    negative.bucket_counts.append(5)
    # index * 3 + 1 for positive values, + 2 for negative ones, 0 around zero
    assert value(metric) == Observations(8, None, 2, {0: 4, -5: 1, 1: 3, -1: 5})


def test_summaries() -> None:
    metric = Metric(name="s")
    point = metric.summary.data_points.add(count=4, sum=2.0, time_unix_nano=1)
    point.quantile_values.add(quantile=0.5, value=0.25)
    assert value(metric) == Quantiles(4, 2.0, ((0.5, 0.25),))


def test_no_recorded_value_ends_a_series() -> None:
    assert value(gauge(number(1, 5, flags=1))) is None


def test_what_cannot_be_used() -> None:
    nothing = Metric(name="g")
    nothing.gauge.data_points.add(time_unix_nano=1)
    assert points(nothing) == ["a data point without a value"]
    assert points(counter(number(math.inf, 1))) == ["a sum that is not a finite number"]
    assert points(counter(number(1, 1), temporality=0)) == ["neither delta nor cumulative temporality"]
    assert points(counter(number(1, 1), temporality=9)) == ["neither delta nor cumulative temporality"]
    assert points(gauge(number(1, 1), number(2, 1), name="")) == ["a metric's name of 0 bytes"] * 2
    assert points(gauge(number(1, 1, key="x" * 5000))) == ["attributes larger than 4096 bytes"]
    assert points(histogram([1, 2], [1.0, 2.0], 1)) == ["a histogram whose bounds do not fit its buckets"]
    assert points(histogram([1, 2, 3], [2.0, 2.0], 1)) == ["a histogram whose bounds do not increase"]
    assert points(histogram([1, 2], [math.nan], 1)) == ["a histogram whose bounds do not increase"]
    assert points(exponential(31, 1, positive={0: 1})) == ["an exponential histogram with a scale beyond 30"]
    assert points(exponential(0, 1, positive={0: 1, 2000: 1})) == [
        "an exponential histogram with more than 1024 buckets"
    ]


def test_a_metric_has_a_number_of_points() -> None:
    found = points(gauge(*(number(1, 1) for _ in range(MAX_POINTS + 2))))
    assert found[MAX_POINTS:] == [f"more than {MAX_POINTS} data points of one metric"] * 2
    assert isinstance(found[MAX_POINTS - 1], Point)


def test_metrics_that_cannot_be_read_at_all() -> None:
    assert decode(Metric(name="m").SerializeToString()) == "a metric without data of a known kind"
    assert decode(b"\x0a" * (MAX_METRIC_BYTES + 1)) == f"a metric larger than {MAX_METRIC_BYTES} bytes"
    with pytest.raises(Undecodable, match="metric"):
        decode(b"\x0a\xff")
