"""The right side of the waterfall: the axis, and a bar for each span with its critical path and log lines."""

from __future__ import annotations

from collections.abc import Sequence

from devenv.analysis.waterfall import Row
from devenv.dashboard.log_list import TraceLine
from devenv.dashboard.services import ServiceMarks
from devenv.drawing.markup import Child, Markup, element, join
from devenv.drawing.scale import LABEL_GAP, apart, label_width, ticks
from devenv.drawing.words import show_duration, show_tick

WIDE = 640
"""Pixels of the axis on a wide screen, of which its number of ticks depends; it may be wider."""

NARROW_AXIS = 300
"""Pixels of the axis on a narrow screen, at least: where a label has room there, it has room everywhere."""

_LINES_SHOWN = 50  # log lines that are drawn on the bar of one span
_LEAST = 0.15  # percent of the axis that a bar has at least, so that it is seen


class Bars:
    """The axis of one trace, and what is drawn along it.

    Args:
        start_ns: start of the trace.
        duration_ns: its length.
        marks: those of the services on the page.
    """

    def __init__(self, start_ns: int, duration_ns: int, marks: ServiceMarks) -> None:
        self._start_ns = start_ns
        self._length = duration_ns
        self._whole = max(duration_ns, 1)
        self._marks = marks

    def ruler(self) -> Markup:
        """The times above the bars, and the lines that each row repeats by their name."""
        wide, narrow = ticks(self._length, WIDE), ticks(self._length, NARROW_AXIS)
        lines = join(
            element("g", *map(self._grid_line, wide[1:]), id="grid-wide", class_="only-wide"),
            element("g", *map(self._grid_line, narrow[1:]), id="grid-narrow", class_="only-narrow"),
        )
        return element(
            "svg",
            element("defs", lines),
            _GRID,
            element("g", *self._labels(wide, WIDE), class_="only-wide"),
            element("g", *self._labels(narrow, NARROW_AXIS), class_="only-narrow"),
            class_="line",
        )

    def row(self, row: Row, lines: Sequence[TraceLine]) -> Markup:
        """The bar of a span, its part of the critical path below it, its log lines and its duration."""
        left = self._percent(row.offset_ns)
        width = min(max(100 * row.span.duration_ns / self._whole, _LEAST), 100 - left)
        bar = self._marks.bar(row.span.service, x=f"{left:.3f}%", y="4", width=f"{width:.3f}%", height="14", rx="2")
        path = (self._path(start, end) for start, end in row.path)
        failed = element("use", href="#i-bad", x=f"{left:.3f}%", y="5", width="12", height="12", class_="fail")
        return element(
            "svg",
            _GRID,
            bar,
            *path,
            failed if row.span.is_error else None,
            *(self._dot(line) for line in lines[:_LINES_SHOWN]),
            self._label(show_duration(row.span.duration_ns), left, left + width),
            class_="line",
        )

    def _label(self, text: str, left: float, right: float) -> Markup:
        """After the bar, before it, or on a plate over its end, whichever has room on a narrow screen."""
        size = label_width(text)
        need = 100 * (size + LABEL_GAP) / NARROW_AXIS
        if right + need <= 100:
            return element("text", text, x=f"{right:.3f}%", y="15", dx="4")
        if left >= need:
            return element("text", text, x=f"{left:.3f}%", y="15", dx="-4", text_anchor="end")
        plate = element(
            "rect", x=f"{-size - 10:.0f}", y="5", width=f"{size + 8:.0f}", height="12", rx="2", class_="plate"
        )
        shown = element("text", text, x="-6", y="15", text_anchor="end")
        return element("svg", plate, shown, x=f"{right:.3f}%", overflow="visible")

    def _path(self, start: int, end: int) -> Markup:
        left, right = self._percent(start), self._percent(end)
        width = f"{max(right - left, _LEAST):.3f}%"
        return element("rect", x=f"{left:.3f}%", y="19", width=width, height="3", class_="path")

    def _dot(self, line: TraceLine) -> Markup:
        """A log line at its time; what is outside of the trace's time is at the end of it."""
        title = element("title", f"{line.level} {line.text[:200]}".strip())
        place = self._percent(line.time_ns - self._start_ns)
        return element("circle", title, cx=f"{place:.3f}%", cy="3", r="2.5", class_=f"dot {line.look}")

    def _labels(self, found: Sequence[float], width: float) -> list[Markup]:
        labels = [(tick / self._whole, show_tick(tick)) for tick in found]
        return [
            element(
                "text",
                text,
                x=f"{100 * place:.3f}%",
                y="16",
                text_anchor="end" if number else "start",
                dx="-4" if number else "4",
            )
            for number, ((place, text), shown) in enumerate(zip(labels, apart(labels, width), strict=True))
            if shown
        ]

    def _grid_line(self, tick: float) -> Markup:
        place = f"{self._percent(tick):.3f}%"
        return element("line", x1=place, x2=place, y2="24", class_="grid")

    def _percent(self, offset: float) -> float:
        return min(max(100 * offset / self._whole, 0.0), 100.0)


def _use(name: str) -> Child:
    return element("use", href=f"#{name}")


_GRID = join(_use("grid-wide"), _use("grid-narrow"))
"""The lines of the axis; a browser draws the ones of its width."""
