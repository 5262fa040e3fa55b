"""Numbers in words; the scripts of the pages are held against the same vectors."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devenv.drawing.words import counted, cut_middle, show_count, show_duration, show_share, show_tick, show_time

DURATIONS = [
    (0, "0"), (1, "0"), (2, "2 ns"), (999, "999 ns"), (1_000, "1.00 µs"), (3_240_000, "3.24 ms"),
    (31_000_000, "31.0 ms"), (999_499, "999 µs"), (999_500, "1.00 ms"), (9_994_999, "9.99 ms"),
    (9_995_000, "9.99 ms"), (9_996_000, "10.0 ms"), (99_960_000, "100 ms"), (1_240_000_000, "1.24 s"),
    (59_960_000_000, "60.0 s"), (60_000_000_000, "1 min 0 s"), (125_000_000_000, "2 min 5 s"),
    (3_599_600_000_000, "1 h 0 min"), (11_400_000_000_000, "3 h 10 min"), (-3_240_000, "-3.24 ms"),
]  # fmt: skip
SHARES = [
    (0, 10, "0"), (1, 0, "0"), (1, 10_000, "< 0.1%"), (5, 10_000, "0.1%"), (2, 1000, "0.2%"), (41, 100, "41%"),
    (63, 1000, "6.3%"), (3, 100, "3%"), (999, 1000, "99.9%"), (9998, 10_000, "99.98%"),
    (999_999, 1_000_000, "> 99.99%"), (10, 10, "100%"), (995, 10_000, "9.9%"), (999, 10_000, "10%"),
    (9896, 10_000, "99%"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("nanoseconds", "shown"),
    [
        (0, "0"),
        (2_000_000, "2 ms"),
        (2_500_000, "2.5 ms"),
        (200_000_000, "200 ms"),
        (10**10, "10 s"),
        (6 * 10**10, "1 min 0 s"),
    ],
)
def test_a_tick_has_no_zeros_that_say_nothing(nanoseconds: int, shown: str) -> None:
    assert show_tick(nanoseconds) == shown


@pytest.mark.parametrize(("nanoseconds", "shown"), DURATIONS)
def test_a_duration(nanoseconds: int, shown: str) -> None:
    assert show_duration(nanoseconds) == shown


@given(st.integers(1_000, 59_900_000_000))
def test_a_duration_below_a_minute_has_three_digits(nanoseconds: int) -> None:
    number, unit = show_duration(nanoseconds).split(" ")
    assert len(re.sub(r"\D", "", number)) == 3
    size = {"µs": 1e3, "ms": 1e6, "s": 1e9}[unit]
    assert float(number) * size == pytest.approx(nanoseconds, rel=0.0051)


@pytest.mark.parametrize(("part", "whole", "shown"), SHARES)
def test_a_share(part: float, whole: float, shown: str) -> None:
    assert show_share(part, whole) == shown


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_a_share_is_none_or_all_only_if_it_is(part: int, more: int) -> None:
    assert show_share(part, part + more) not in {"0", "100%"}


def test_counts() -> None:
    assert show_count(12480) == "12,480"
    assert [counted(number, "error") for number in (0, 1, 2, 12480)] == [
        "0 errors",
        "1 error",
        "2 errors",
        "12,480 errors",
    ]


def test_times_are_utc_or_the_bare_number() -> None:
    assert show_time(1_700_000_000_123_456_789) == "2023-11-14 22:13:20.123 UTC"
    assert show_time(2**80) == str(2**80)


def test_a_name_is_cut_in_the_middle() -> None:
    assert cut_middle("/api/users/{id}/orders", 30) == "/api/users/{id}/orders"
    assert cut_middle("/api/users/{id}/orders", 16) == "/api/use…/orders"


@given(st.text(), st.integers(2, 40))
def test_a_cut_name_fits_and_keeps_both_ends(text: str, letters: int) -> None:
    shown = cut_middle(text, letters)
    assert len(shown) == min(len(text), letters)
    assert shown[:1] == text[:1]
