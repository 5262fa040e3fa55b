"""The plot of durations."""

from __future__ import annotations

import re

import pytest

from devenv.drawing.scatter import PlotPoint, scatter

START_NS = 1_764_400_000_250_000_000


def plot(durations_ms: list[float], *, apart_ms: float) -> str:
    points = [
        PlotPoint(
            time_ns=START_NS + round(number * apart_ms * 1e6),
            duration_ns=round(duration * 1e6),
            size=3,
            failed=False,
            link="/trace/1",
            title="one",
        )
        for number, duration in enumerate(durations_ms)
    ]
    return str(scatter(points, "Durations", "list"))


def texts(drawn: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", drawn)


@pytest.mark.parametrize(
    ("durations_ms", "labels"),
    [
        ([3.2, 3.3, 3.4], ["3 ms", "4 ms"]),
        ([2.5], ["2 ms", "3 ms"]),
        ([1.5, 8], ["2 ms", "5 ms"]),
        ([0.5, 30], ["1 ms", "10 ms"]),
    ],
)
def test_the_axis_of_durations_has_labels_if_all_are_alike(durations_ms: list[float], labels: list[str]) -> None:
    assert [text for text in texts(plot(durations_ms, apart_ms=1000)) if " " in text] == labels


def test_times_within_a_second_are_told_apart() -> None:
    found = [text for text in texts(plot([3, 4, 5], apart_ms=200)) if ":" in text]
    assert len(set(found)) > 1
    assert all(re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3}", text) for text in found)


def test_times_of_minutes_have_whole_seconds() -> None:
    found = [text for text in texts(plot([3, 4, 5], apart_ms=60_000)) if ":" in text]
    assert found
    assert all(re.fullmatch(r"\d\d:\d\d:\d\d", text) for text in found)


def test_times_of_more_than_a_day_have_their_dates() -> None:
    found = [text for text in texts(plot([3, 4, 5], apart_ms=13 * 3_600_000)) if ":" in text]
    assert found
    assert all(re.fullmatch(r"\d\d-\d\d \d\d:\d\d", text) for text in found)


def test_a_label_at_the_top_is_not_cut() -> None:
    drawn = plot([1, 10, 100], apart_ms=1000)
    heights = [float(y) for y in re.findall(r'<text x="0" y="([\d.]+)" dy="-3">', drawn)]
    assert len(heights) == 3
    assert min(heights) - 3 >= 12  # the size of its text
