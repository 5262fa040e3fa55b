"""When an operation was slower than before: series of self times."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devenv.analysis.failures.episodes import LEAST_VALUES, Episode, slow_episode
from devenv.testing.spans import MS


def found(values_ms: Sequence[float], every_ms: int = 100) -> Episode | None:
    starts = [number * every_ms * MS for number in range(len(values_ms))]
    return slow_episode(starts, [round(value * MS) for value in values_ms])


def test_slow_until_the_end() -> None:
    assert found([2] * 30 + [150] * 30) == Episode(30, 59, tuple(range(30, 60)), 2 * MS, 150 * MS)


def test_slow_for_a_time() -> None:
    assert found([2] * 30 + [150] * 20 + [2] * 50) == Episode(30, 49, tuple(range(30, 50)), 2 * MS, 150 * MS)


def test_slow_for_most_of_the_time() -> None:
    episode = found([2] * 20 + [150] * 140)
    assert episode is not None
    assert (episode.first, episode.last) == (20, 159)


def test_some_of_the_values_are_slow() -> None:
    episode = found([2] * 60 + [150, 2, 2] * 40)
    assert episode is not None
    assert (episode.first, len(episode.slow), episode.slow_ns) == (60, 40, 150 * MS)


@pytest.mark.parametrize(
    "values",
    [
        [],
        [2] * 100,
        [150] * 30 + [2] * 70,  # a cold start
        [150] * 50,  # always
        [2] * 50 + [150] * (LEAST_VALUES - 1) + [2] * 50,  # too few
        [150] * (LEAST_VALUES - 1) + [151] * 50,
        [2] * 50 + [15] * 50,  # less than 20 ms longer
        [100] * 50 + [180] * 50,  # less than twice as long
        [2, 2, 150] * 60,  # two ways through the operation
    ],
)
def test_no_episode(values: list[float]) -> None:
    assert found(values) is None


def test_a_pause_that_many_calls_waited_for_is_no_episode() -> None:
    pause = [2000 - number * 20 for number in range(100)]
    assert found([2] * 100 + pause + [2] * 100, every_ms=20) is None


@given(st.integers(0, 10**9), st.sampled_from([0.02, 0.1, 0.3, 0.6]), st.integers(0, 600))
def test_chance_is_no_episode(seed: int, share: float, count: int) -> None:
    chance = random.Random(seed)
    assert found([60 if chance.random() < share else 2 for _ in range(count)]) is None


@given(st.integers(10, 300), st.integers(20, 300), st.integers(0, 300), st.floats(60, 5000))
def test_a_clear_episode_is_found_where_it_is(before: int, slow: int, after: int, slow_ms: float) -> None:
    episode = found([2] * before + [slow_ms] * slow + [2] * after, every_ms=round(slow_ms))
    if before >= 16 and before * 16 >= slow:
        assert episode is not None
        assert (episode.first, episode.last) == (before, before + slow - 1)
