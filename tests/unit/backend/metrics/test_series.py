"""Rates over resets, gaps and both temporalities; percentiles of the last 15 minutes."""

from __future__ import annotations

import pytest
from embedded.metric_build import DELTA, NOW, SECOND, Recorded, counter, exponential, gauge, histogram, number
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from devenv.backend.metrics.buckets import percentile
from devenv.backend.metrics.history import RESOLUTION, WINDOW

MINUTE = 60 * SECOND


def rate(recorded: Recorded) -> float | None:
    found = recorded.one().history.increase(recorded.now)
    return None if found is None else found.per_second


def after(recorded: Recorded, seconds: float, metric: Metric) -> None:
    recorded.now += round(seconds * SECOND)
    assert recorded.send(metric) == 0


def test_the_rate_of_a_counter_begins_with_its_start() -> None:
    recorded = Recorded()
    after(recorded, 10, counter(number(50, NOW + 10 * SECOND, start=NOW)))
    assert rate(recorded) == 5.0
    after(recorded, 10, counter(number(150, NOW + 20 * SECOND, start=NOW)))
    assert rate(recorded) == 7.5
    assert recorded.one().value == 150


def test_what_began_long_ago_has_no_rate_before_its_second_value() -> None:
    recorded = Recorded()
    long_ago = NOW - 2 * WINDOW
    recorded.send(counter(number(1_000_000, NOW, start=long_ago)))
    assert rate(recorded) is None
    after(recorded, 10, counter(number(1_000_020, NOW + 10 * SECOND, start=long_ago)))
    assert rate(recorded) == 2.0


@pytest.mark.parametrize("start", [0, NOW + 12 * SECOND], ids=["unknown start", "new start"])
def test_a_counter_that_begins_again_goes_on(start: int) -> None:
    recorded = Recorded()
    recorded.send(counter(number(100, NOW, start=0 if not start else NOW - 5 * WINDOW)))
    after(recorded, 10, counter(number(160, NOW + 10 * SECOND, start=0 if not start else NOW - 5 * WINDOW)))
    after(recorded, 10, counter(number(40, NOW + 20 * SECOND, start=start)))
    assert rate(recorded) == (60 + 40) / 20
    assert recorded.one().value == 40


def test_a_new_start_is_a_reset_though_the_value_is_larger() -> None:
    recorded = Recorded()
    recorded.send(counter(number(10, NOW, start=NOW - 5 * WINDOW)))
    after(recorded, 10, counter(number(30, NOW + 10 * SECOND, start=NOW + SECOND)))
    assert rate(recorded) == 3.0


def test_a_reset_at_its_own_time_has_an_unknown_past() -> None:
    recorded = Recorded()
    recorded.send(counter(number(10, NOW, start=NOW - 5 * WINDOW)))
    after(recorded, 10, counter(number(500, NOW + 10 * SECOND, start=NOW + 10 * SECOND)))
    after(recorded, 10, counter(number(520, NOW + 20 * SECOND, start=NOW + 10 * SECOND)))
    assert rate(recorded) == 1.0


def test_delta_values_add_up() -> None:
    recorded = Recorded()
    for step in range(1, 4):
        at = NOW + step * 10 * SECOND
        after(recorded, 10, counter(number(20, at, start=at - 10 * SECOND), temporality=DELTA))
    assert recorded.one().value == 60
    assert rate(recorded) == 2.0


def test_what_goes_up_and_down_has_values_and_no_rate() -> None:
    recorded = Recorded()
    for step, value in enumerate((5, 3, 9), 1):
        after(recorded, 10, counter(number(value, NOW + step * 10 * SECOND), monotonic=False))
    series = recorded.one()
    assert not series.grows
    assert [value for _, value in series.history.values(recorded.now)] == [5, 3, 9]


def test_one_value_for_each_ten_seconds_of_the_last_15_minutes() -> None:
    recorded = Recorded()
    for step in range(2000):
        after(recorded, 1, gauge(number(step, NOW + (step + 1) * SECOND)))
    values = recorded.one().history.values(recorded.now)
    assert 90 <= len(values) <= 91
    assert len(recorded.one().history) <= WINDOW // RESOLUTION + 2
    assert values[-1][1] == 1999
    assert values[0][0] > recorded.now - WINDOW


def test_older_points_are_not_stored_and_a_repeated_one_once() -> None:
    recorded = Recorded()
    at = NOW - SECOND
    assert recorded.send(counter(number(5, at), temporality=DELTA)) == 0
    assert recorded.send(counter(number(5, at), temporality=DELTA)) == 0
    assert recorded.send(counter(number(4, at - SECOND), temporality=DELTA)) == 1
    assert recorded.one().value == 5
    assert recorded.store.refused == {"data points older than the newest ones of their series": 1}


def test_a_point_from_the_future_counts_as_of_now() -> None:
    recorded = Recorded()
    recorded.send(gauge(number(5, NOW + WINDOW * 100)))
    assert recorded.one().seen == NOW
    assert recorded.one().history.values(NOW) == [(NOW, 5.0)]


def test_a_point_without_a_time_is_of_now() -> None:
    recorded = Recorded()
    recorded.send(gauge(number(5, 0)))
    assert recorded.one().seen == NOW


def test_an_ended_series_keeps_its_last_value() -> None:
    recorded = Recorded()
    recorded.send(gauge(number(5, NOW)))
    after(recorded, 1, gauge(number(0, NOW + SECOND, flags=1)))
    assert recorded.one().ended
    assert recorded.one().value == 5


@pytest.mark.parametrize("temporality", [1, 2])
def test_percentiles_are_of_the_last_15_minutes(temporality: int) -> None:
    recorded = Recorded()
    bounds, start = [1.0, 2.0, 4.0], NOW
    slow, fast = [0, 0, 10, 0], [10, 0, 0, 0]
    total = [0, 0, 0, 0]
    for minute in range(1, 31):
        counts = slow if minute <= 10 else fast
        total = [a + b for a, b in zip(total, counts, strict=True)]
        at = NOW + minute * MINUTE
        given, since = (counts, at - MINUTE) if temporality == DELTA else (total, start)
        after(recorded, 60, histogram(given, bounds, at, since, total=sum(given), temporality=temporality))
        found = percentile(*recorded.one().recent(recorded.now), 0.99)
        assert found is not None
        assert (found > 2) is (minute <= 24), minute  # the 10th slow minute is left behind with the 25th
    assert recorded.one().mean(recorded.now) == pytest.approx(1.0)
    assert recorded.one().count == 300


def test_a_histogram_that_begins_again() -> None:
    recorded = Recorded()
    bounds = [1.0]
    recorded.send(histogram([5, 5], bounds, NOW, NOW - 5 * WINDOW))
    after(recorded, 60, histogram([6, 5], bounds, NOW + MINUTE, NOW - 5 * WINDOW))
    after(recorded, 60, histogram([1, 2], bounds, NOW + 2 * MINUTE, NOW + MINUTE))
    assert recorded.one().recent(recorded.now) == ((1.0,), {0: 2, 1: 2})
    increase = recorded.one().history.increase(recorded.now)
    assert increase is not None
    assert increase.amount == 4


def test_other_bounds_take_the_place_of_the_earlier_ones() -> None:
    recorded = Recorded()
    recorded.send(histogram([5, 5], [1.0], NOW, NOW - SECOND))
    after(recorded, 60, histogram([5, 6], [2.0], NOW + MINUTE, NOW - SECOND))
    assert recorded.one().recent(recorded.now) == ((2.0,), {0: 5, 1: 6})


def test_exponential_histograms_of_several_scales() -> None:
    recorded = Recorded()
    recorded.send(exponential(1, NOW, NOW - SECOND, positive={4: 2, 5: 2}))
    after(recorded, 60, exponential(0, NOW + MINUTE, NOW - SECOND, positive={2: 4, 3: 6}, zeros=1))
    # Four were there with the finer scale: indexes 4 and 5 are 2 with the coarser one.
    assert recorded.one().recent(recorded.now) == (0, {0: 1, 7: 4, 10: 6})
