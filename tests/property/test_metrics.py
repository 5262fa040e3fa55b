"""Metrics: percentiles against all values, both temporalities alike, and whatever bytes are sent."""

from __future__ import annotations

import json
import math
from bisect import bisect_left
from contextlib import suppress

from embedded.metric_build import (
    CUMULATIVE,
    DELTA,
    NOW,
    SECOND,
    Recorded,
    counter,
    exponential,
    gauge,
    histogram,
    metrics_request,
    number,
    resource_metrics,
)
from google.protobuf.json_format import MessageToDict
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from devenv.analysis.percentiles import nearest_rank
from devenv.backend.metrics.buckets import MAX_BUCKETS, coarser, limited, pack, percentile, together
from devenv.backend.metrics.documents import series_document, surplus_document
from devenv.backend.metrics.history import WINDOW
from devenv.otlp.json_metrics import encoded_metric
from devenv.otlp.metric_points import Observations, decode, exponential_number
from devenv.otlp.wire import TooLarge, Undecodable

observed = st.lists(st.floats(0.001, 1e6), min_size=1, max_size=60)
quantiles = st.sampled_from([0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 1.0])


@given(observed, st.lists(st.floats(0.001, 1e6), min_size=1, max_size=12, unique=True), quantiles)
def test_a_percentile_is_in_the_bucket_of_the_exact_one(values: list[float], edges: list[float], q: float) -> None:
    bounds = tuple(sorted(edges))
    buckets: dict[int, int] = {}
    for value in values:
        place = bisect_left(bounds, value)
        buckets[place] = buckets.get(place, 0) + 1
    exact = nearest_rank(sorted(values), q)
    place = bisect_left(bounds, exact)
    found = percentile(bounds, buckets, q)
    assert found is not None
    low = bounds[place - 1] if place else 0.0
    high = bounds[place] if place < len(bounds) else bounds[-1]
    assert low <= found <= high


@given(observed, st.integers(-2, 8), quantiles)
def test_an_exponential_percentile_is_as_near_as_its_base(values: list[float], scale: int, q: float) -> None:
    buckets: dict[int, int] = {}
    for value in values:
        place = exponential_number(math.ceil(math.log2(value) * 2.0**scale) - 1, 1)
        buckets[place] = buckets.get(place, 0) + 1
    exact = nearest_rank(sorted(values), q)
    found = percentile(scale, buckets, q)
    assert found is not None
    base = 2.0**2.0**-scale
    assert exact / base * (1 - 1e-9) <= found <= exact * base * (1 + 1e-9)


@given(st.dictionaries(st.integers(-3000, 3000), st.integers(1, 9), max_size=400), st.integers(-5, 10))
def test_coarser_buckets_keep_their_count_and_their_number(counts: dict[int, int], scale: int) -> None:
    given_ = Observations(sum(counts.values()), None, scale, {exponential_number(i, 1): n for i, n in counts.items()})
    found = limited(given_)
    assert len(found.buckets) <= MAX_BUCKETS
    assert sum(found.buckets.values()) == found.count
    assert isinstance(found.layout, int)
    assert coarser(given_.buckets, scale - found.layout) == found.buckets
    halves = [pack(scale, dict(list(given_.buckets.items())[part::2])) for part in (0, 1)]
    assert not counts or together(halves) == (scale, given_.buckets)


@given(st.lists(st.tuples(st.integers(1, 200), st.integers(0, 50)), min_size=2, max_size=30), st.integers(1, 29))
def test_delta_and_cumulative_counters_have_the_same_rate(steps: list[tuple[int, int]], restart: int) -> None:
    """A cumulative counter that begins again in between has grown as much as one that does not, and as a delta one."""
    recorded = Recorded()
    start = began = at = NOW
    total = since = 0
    for place, (seconds, amount) in enumerate(steps):
        if place == restart:
            began, since = at + 1, 0
        before, at = at, at + seconds * SECOND
        total, since = total + amount, since + amount
        recorded.now = at
        assert not recorded.send(counter(number(amount, at, before), temporality=DELTA), service="delta")
        assert not recorded.send(counter(number(total, at, start), temporality=CUMULATIVE), service="cumulative")
        assert not recorded.send(counter(number(since, at, began), temporality=CUMULATIVE), service="again")
    rates = {name: recorded.one(name).history.increase(recorded.now) for name in ("delta", "cumulative", "again")}
    assert rates["delta"] == rates["cumulative"] == rates["again"]
    assert rates["delta"] is not None
    if at - start < WINDOW:
        assert rates["delta"].amount == sum(amount for _, amount in steps)


whole = st.integers(-(2**63), 2**63 - 1)
times = st.integers(0, 2**64 - 1)
points = st.builds(
    number, st.one_of(whole, st.floats()), times, times, st.integers(0, 3), key=st.one_of(whole, st.text(max_size=3))
)
temporalities = st.integers(0, 3)
counts = st.lists(st.integers(0, 2**60), max_size=4)
metrics = st.one_of(
    st.builds(gauge, points, points, name=st.text(max_size=2)),
    st.builds(counter, points, points, temporality=temporalities, monotonic=st.booleans()),
    st.builds(
        histogram, counts, st.lists(st.floats(), max_size=3), times, times, total=st.floats(), temporality=temporalities
    ),
    st.builds(
        exponential,
        st.integers(-40, 40),
        times,
        times,
        positive=st.dictionaries(st.integers(-(2**20), 2**20), st.integers(0, 2**60), max_size=1),
        zeros=st.integers(0, 2**60),
        temporality=temporalities,
    ),
)
requests = st.lists(st.builds(resource_metrics, st.sampled_from(["a", "b", None]), metrics, metrics), max_size=2).map(
    lambda parts: metrics_request(*parts)
)


def read_all(recorded: Recorded) -> None:
    for service in recorded.store.services():
        for series in recorded.store.of(service):
            found = series_document(series, recorded.now)
            numbers = [found["value"], found["rate"], found["sum"], found["mean"], *found["percentiles"].values()]
            assert all(value is None or math.isfinite(value) for value in numbers)
    surplus_document(recorded.store)


@settings(max_examples=60)
@given(st.lists(requests, max_size=3))
def test_whatever_is_sent_can_be_read(bodies: list[bytes]) -> None:
    recorded = Recorded(most=5)
    for body in bodies:
        recorded.now += SECOND
        recorded.take(body)
        assert recorded.store.series <= 5
        read_all(recorded)


@settings(max_examples=80)
@given(requests, st.data())
def test_broken_bytes_are_refused_or_read(body: bytes, data: st.DataObject) -> None:
    damaged = bytearray(body)
    for _ in range(data.draw(st.integers(1, 3))):
        if damaged:
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    recorded = Recorded(most=5)
    with suppress(Undecodable, TooLarge):
        recorded.take(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]))
    read_all(recorded)


def decoded(encoded: bytes) -> str:
    found = decode(encoded)
    return found if isinstance(found, str) else repr((found[0], list(found[1])))  # NaN does not equal itself


@given(metrics, metrics)
def test_json_is_read_as_protobuf(one: Metric, other: Metric) -> None:
    """The published mapping of protobuf to JSON, with numbers of 64 bits as text, and NaN and Infinity as words."""
    for metric in (one, other):
        document = json.loads(json.dumps(MessageToDict(metric)))
        assert decoded(encoded_metric(document)) == decoded(metric.SerializeToString())
