"""A scatter plot of durations over time; each point is a link."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from devenv.drawing.markup import Markup, element
from devenv.drawing.scale import LABEL_GAP, apart, label_width, log_share, log_ticks, share, time_ticks
from devenv.drawing.words import show_tick
from devenv.immutable import immutable

HEIGHT = 160
_TOP, _BOTTOM = 16, 136
"""Pixels between which points are drawn; above is room for the label of a line at the top, below are the times."""
_WIDE, _NARROW = 1100, 340
"""Pixels of the plot's width for which its times are chosen."""
_MS_NS = 10**6
_DAY_NS = 86_400 * 10**9
_LEAST_FACTOR = 2.0
"""Between the ends of the axis of durations, so that a few percent do not look like a difference."""


@immutable(kw_only=True)
class PlotPoint:
    """One point.

    Attributes:
        time_ns: nanoseconds since the epoch.
        duration_ns: its height, on a logarithmic axis.
        size: of what it stands for; the radius grows with its fifth root.
        failed: drawn as a cross.
        link: address that it leads to.
        title: what it is, in words.
    """

    time_ns: int
    duration_ns: int
    size: int
    failed: bool
    link: str
    title: str


def scatter(points: Sequence[PlotPoint], name: str, described_by: str) -> Markup:
    """The plot; its axes fit the points.

    Args:
        points: at least one.
        name: a sentence that says what it shows.
        described_by: ID of the element that holds the same as a list.
    """
    first, last = min(point.time_ns for point in points), max(point.time_ns for point in points)
    low, high = _range([point.duration_ns for point in points])
    marks = (_mark(point, _across(point.time_ns, first, last), _down(point.duration_ns, low, high)) for point in points)
    return element(
        "svg",
        *_durations(low, high),
        *_times(first, last, _WIDE, "only-wide"),
        *_times(first, last, _NARROW, "only-narrow"),
        *marks,
        class_="plot",
        height=HEIGHT,
        role="group",
        aria_label=name,
        aria_details=described_by,
    )


def _across(time_ns: int, first: int, last: int) -> float:
    """Percent of the width; points at the edges keep room for their size and for the labels of durations."""
    return 8 + 90 * (share(time_ns, first, last) if last > first else 0.5)


def _range(durations_ns: Sequence[int]) -> tuple[float, float]:
    """Ends of the axis of durations, in ns."""
    low, high = max(min(durations_ns), 1), max(*durations_ns, 1)
    wider = max(math.sqrt(_LEAST_FACTOR * low / high), 1.0)
    return low / wider, high * wider


def _down(duration_ns: float, low: float, high: float) -> float:
    return _BOTTOM - (_BOTTOM - _TOP) * log_share(duration_ns, low, high)


def _mark(point: PlotPoint, x: float, y: float) -> Markup:
    if point.failed:
        cross = element("path", d="M-4-4 4 4M4-4-4 4", class_="cross")
        drawn = element("svg", cross, x=f"{x:.2f}%", y=f"{y:.1f}", overflow="visible")
    else:
        radius = f"{2 + 1.2 * max(point.size, 1) ** 0.2:.1f}"
        drawn = element("circle", cx=f"{x:.2f}%", cy=f"{y:.1f}", r=radius, class_="point")
    return element("a", element("title", point.title), drawn, href=point.link, aria_label=point.title)


def _durations(low: float, high: float) -> list[Markup]:
    found = []
    for value in log_ticks(low, high):
        y = f"{_down(value, low, high):.1f}"
        found.append(element("line", x1="0", x2="100%", y1=y, y2=y, class_="axis"))
        found.append(element("text", show_tick(value), x="0", y=y, dy="-3"))
    return found


def _times(first: int, last: int, width: float, class_: str) -> list[Markup]:
    ticks = time_ticks(first / _MS_NS, last / _MS_NS, width)
    dated, whole = last - first > _DAY_NS, all(tick % 1000 == 0 for tick in ticks)
    labels = [(_across(tick * _MS_NS, first, last) / 100, _clock(tick, dated=dated, whole=whole)) for tick in ticks]
    # Each is written to the left of its place.
    fits = apart([(0.0, ""), *labels], width)[1:]
    return [
        element(
            "g",
            element("line", x1=f"{100 * place:.2f}%", x2=f"{100 * place:.2f}%", y1=_BOTTOM, y2=HEIGHT, class_="axis"),
            element("text", text, x=f"{100 * place:.2f}%", y=HEIGHT - 6, dx="-4", text_anchor="end"),
            class_=class_,
        )
        for (place, text), shown in zip(labels, fits, strict=True)
        if shown and place * width > label_width(text) + LABEL_GAP
    ]


def _clock(tick_ms: int, *, dated: bool, whole: bool) -> str:
    """A time of an axis: with its date, or to the second or the millisecond."""
    moment = datetime.fromtimestamp(tick_ms // 1000, UTC)
    if dated:
        return f"{moment:%m-%d %H:%M}"
    return f"{moment:%H:%M:%S}" + ("" if whole else f".{tick_ms % 1000:03}")
