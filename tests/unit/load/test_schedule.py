"""Schedules and options are pure: the same requests, exactly as many as asked for."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
from load_runs import asked

from devenv.errors import UsageError
from devenv.load.options import LoadOptions, Stage, parse_stages
from devenv.load.schedule import make_schedule
from devenv.model.extension import Scenario


def options(**fields: Any) -> LoadOptions:
    return asked(**{"scenario": Scenario(), "target": "http://localhost"} | fields)[0]


def test_uniform_requests_are_evenly_spaced_from_the_start() -> None:
    schedule = make_schedule(options(rps=50, duration=10))
    offsets = list(schedule.offsets())
    assert (schedule.count, len(offsets), schedule.duration, schedule.mean_rps) == (500, 500, 10, 50)
    assert offsets == [pytest.approx(number / 50) for number in range(500)]


def test_a_rate_below_one_counts_right() -> None:
    assert list(make_schedule(options(rps=0.5, duration=6)).offsets()) == [0.0, 2.0, 4.0]


def test_a_fraction_of_a_request_is_rounded() -> None:
    assert make_schedule(options(rps=3, duration=0.5)).count == 2


def test_a_ramp_reaches_its_rate_within_its_time() -> None:
    schedule = make_schedule(options(stages=(Stage(10, 100),)))
    offsets = list(schedule.offsets())
    assert (schedule.count, schedule.duration) == (500, 10)
    for second in range(1, 11):  # the area under 10 t until then
        assert sum(offset < second for offset in offsets) == pytest.approx(5 * second**2, abs=1)


def test_stages_follow_each_other_up_and_down() -> None:
    schedule = make_schedule(options(stages=(Stage(2, 100), Stage(3, 100), Stage(2, 0))))
    offsets = list(schedule.offsets())
    assert (schedule.count, schedule.duration) == (500, 7)
    counts = [sum(start <= offset < end for offset in offsets) for start, end in ((0, 2), (2, 5), (5, 7))]
    assert counts == [100, 300, 100]
    gaps = [after - before for before, after in pairwise(offsets[110:391])]
    assert gaps == [pytest.approx(0.01)] * 280


def test_a_pause_sends_nothing() -> None:
    offsets = list(make_schedule(options(stages=(Stage(1, 0), Stage(0.5, 20), Stage(1, 0)))).offsets())
    assert len(offsets) == 15
    assert min(offsets) >= 1.0


def test_poisson_arrivals_repeat_with_their_seed_and_keep_the_count() -> None:
    first = make_schedule(options(arrivals="poisson", seed=7, rps=100, duration=10))
    offsets = list(first.offsets())
    assert offsets == list(first.offsets())
    assert offsets == list(make_schedule(options(arrivals="poisson", seed=7, rps=100, duration=10)).offsets())
    assert offsets != list(make_schedule(options(arrivals="poisson", seed=8, rps=100, duration=10)).offsets())
    assert len(offsets) == 1000
    gaps = [after - before for before, after in pairwise(offsets)]
    mean = sum(gaps) / len(gaps)
    deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    assert mean == pytest.approx(0.01, rel=0.02)
    assert deviation == pytest.approx(mean, rel=0.15)  # of an exponential distribution; 0 for even spacing


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rps": 0}, "rate: found 0"),
        ({"rps": None}, "rate: found None"),
        ({"rps": math.inf}, "rate: found inf"),
        ({"duration": 0}, "duration: found 0 s"),
        ({"stages": (Stage(1, -1),)}, "rate: found -1"),
        ({"max_in_flight": 0}, "requests in flight: found 0"),
        ({"timeout": 0}, "timeout: found 0 s"),
        ({"sampling": 1.5}, "sampling: found 1.5"),
    ],
)
def test_options_that_cannot_be(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        options(**fields)


@pytest.mark.parametrize("fields", [{"rps": 0.1, "duration": 1}, {"rps": 1e6, "duration": 1e6}])
def test_a_run_of_nothing_or_of_too_much(fields: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="the run would send"):
        make_schedule(options(**fields))


def test_stages_are_read() -> None:
    assert parse_stages("30s:50,1m:200, 500ms:0") == (Stage(30, 50), Stage(60, 200), Stage(0.5, 0))


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("30s:50,1m", 8, "duration:rate"),
        ("30x:50", 1, "a duration"),
        ("30s:50,10s:fast", 8, "a number of requests per second"),
        ("30s:-1", 1, "a rate of 0 or more"),
        ("", 1, "duration:rate"),
    ],
)
def test_stages_that_cannot_be_read_name_the_column(text: str, column: int, expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_stages(text)
    assert caught.value.details["column"] == column
    assert expected in caught.value.message
