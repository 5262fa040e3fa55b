"""Axes."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from devenv.drawing.scale import (
    LABEL_GAP,
    TICK_ROOM,
    apart,
    label_width,
    log_share,
    log_ticks,
    share,
    ticks,
    time_ticks,
)

LENGTHS = st.floats(1e-6, 1e15)
WIDTHS = st.floats(100, 2000)


@given(LENGTHS, WIDTHS)
def test_ticks_are_steps_of_1_2_or_5_within_the_axis(length: float, width: float) -> None:
    found = ticks(length, width)
    step = found[1] - found[0]
    assert round(step / 10 ** math.floor(math.log10(step) + 1e-9)) in {1, 2, 5}
    assert found[0] == 0
    assert found[-1] <= length * (1 + 1e-9)
    assert found[-1] + step > length * (1 - 1e-9)
    assert 2 <= len(found) <= 10


@pytest.mark.parametrize(
    ("length", "width", "found"),
    [
        (0, 800, (0,)),
        (math.inf, 800, (0,)),
        (1240, 390, (0, 500, 1000)),
        (100, 960, (0, 20, 40, 60, 80, 100)),
        (3, 200, (0, 2)),
    ],
)
def test_ticks_of_an_axis(length: float, width: float, found: tuple[float, ...]) -> None:
    assert ticks(length, width) == found


@pytest.mark.parametrize(
    ("low", "high", "found"),
    [
        (0.5, 1000, (1, 10, 100, 1000)),
        (2, 9, (2, 5)),
        (3.0, 40, (5, 10, 20)),
        (2.1, 4.2, (3, 4)),
        (1.01, 2.02, (2,)),
        (5.1, 10.2, (6, 7, 8, 9, 10)),
        (5, 5, (5,)),
    ],
)
def test_ticks_of_a_logarithmic_axis(low: float, high: float, found: tuple[float, ...]) -> None:
    assert log_ticks(low, high) == pytest.approx(found)


@given(st.floats(1e-3, 1e12), st.floats(2, 1e6))
def test_a_logarithmic_axis_always_names_a_value(low: float, factor: float) -> None:
    found = log_ticks(low, low * factor)
    assert found
    assert sorted(set(found)) == list(found)
    assert all(low * (1 - 1e-6) <= value <= low * factor * (1 + 1e-6) for value in found)


@example(start_ms=1e12 + 1, length_ms=86_400_000 * 6.1, width=300)
@given(st.floats(1e12, 2e12), st.floats(50, 1e9), st.floats(300, 1200))
def test_times_are_some_for_each_range(start_ms: float, length_ms: float, width: float) -> None:
    found = time_ticks(start_ms, start_ms + length_ms, width)
    assert 1 <= len(found) <= width / TICK_ROOM + 1
    assert all(start_ms <= tick <= start_ms + length_ms for tick in found)


def test_shares_stay_on_the_axis() -> None:
    assert [share(value, 10, 20) for value in (0, 10, 15, 30)] == [0, 0, 0.5, 1]
    assert share(5, 5, 5) == 0
    assert [log_share(value, 1, 100) for value in (0, 1, 10, 1000)] == [0, 0, pytest.approx(0.5), 1]


@given(LENGTHS, WIDTHS)
def test_no_label_comes_near_another(length: float, width: float) -> None:
    marks = ticks(length, width)
    labels = [(mark / length, f"{mark:.3g} ms") for mark in marks]
    end = -math.inf
    for number, ((place, text), shown) in enumerate(zip(labels, apart(labels, width), strict=True)):
        left = place * width - (label_width(text) if number else 0)
        if shown:
            assert left >= end + LABEL_GAP
            end = left + label_width(text)
