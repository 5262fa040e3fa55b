"""Durations as Go prints them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devenv.traces.times import parse_duration, show_duration


@pytest.mark.parametrize(
    ("nanoseconds", "shown"),
    [
        (0, "0s"),
        (1, "1ns"),
        (-1_100, "-1.1µs"),
        (2_200_000, "2.2ms"),
        (3_300_000_000, "3.3s"),
        (4 * 60_000_000_000 + 5_000_000_001, "4m5.000000001s"),
        (5 * 3600_000_000_000 + 6_000_000_000, "5h0m6s"),
    ],
)
def test_a_duration_is_shown_as_go_does(nanoseconds: int, shown: str) -> None:
    assert show_duration(nanoseconds) == shown


@given(st.integers(-(2**62), 2**62))
def test_what_is_shown_is_read_back(nanoseconds: int) -> None:
    assert parse_duration(show_duration(nanoseconds)) == nanoseconds
