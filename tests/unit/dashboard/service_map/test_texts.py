"""Rates, ranges and names of the map."""

from __future__ import annotations

import pytest

from devenv.dashboard.service_map.texts import name_in_box, range_text, rate, received_text


@pytest.mark.parametrize(
    ("calls", "seconds", "said"),
    [
        (43_380, 900, "48.2/s"),
        (900, 900, "1/s"),
        (899, 900, "59.9/min"),
        (15, 900, "1/min"),
        (12, 900, "48/h"),
        (1, 86_400, "< 0.1/h"),
        (1_000_000, 1, "1,000,000/s"),
    ],
)
def test_a_rate_has_the_unit_that_gives_at_least_one(calls: int, seconds: float, said: str) -> None:
    assert rate(calls, seconds) == said


def test_few_calls_are_counted_instead() -> None:
    assert [received_text(calls, 900) for calls in (None, 1, 14, 15, 1_800)] == [
        "no caller",
        "1 call",
        "14 calls",
        "1/min",
        "2/s",
    ]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gateway", "gateway"),
        ("recommendation-service", "recommendation-service"),
        ("recommendation-services", "recommendat…n-services"),
        ("サービスの名前はとても長いです", "サービスの…も長いです"),
        ("", ""),
    ],
)
def test_a_long_name_loses_its_middle(name: str, said: str) -> None:
    assert name_in_box(name) == said


def test_a_range_is_said_in_hours_minutes_and_seconds() -> None:
    assert [range_text(seconds) for seconds in (900, 86_400, 5_400, 75, 0)] == [
        "15 min",
        "24 h",
        "1 h 30 min",
        "1 min 15 s",
        "0 s",
    ]
