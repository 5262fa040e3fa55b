"""``/dependencies``: which service calls which."""

from __future__ import annotations

from collections.abc import Callable

from devenv.dashboard.layout import Frame, page
from devenv.dashboard.map_layout import HEIGHT, WIDTH, Placed, over_columns, place
from devenv.dashboard.services import ServiceMarks
from devenv.drawing.markup import Markup, element, join
from devenv.http.server import HttpRequest, Response
from devenv.model.counts import plural
from devenv.model.trace import OWN_SERVICE, ServiceDependency
from devenv.traces.source import TraceSource
from devenv.traces.times import parse_duration

_LOOKBACK = "24h"
_AHEAD_NS = 60_000_000_000
"""Spans of services whose clocks are ahead are shown as well."""

_FRAME = Frame("Service map", "/dependencies")

Edges = dict[tuple[str, str], ServiceDependency]


class MapPage:
    """The handler."""

    def __init__(self, source: TraceSource, now: Callable[[], int]) -> None:
        self._source = source
        self._now = now

    async def __call__(self, request: HttpRequest) -> Response:
        """The map of the last day, or of ``?lookback=``; ``?own=1`` shows devenv's own spans as well."""
        try:
            parameters = request.parameters()
            lookback = parse_duration(parameters.first("lookback") or _LOOKBACK)
        except ValueError as error:
            return page(_FRAME, element("p", str(error), class_="bad"), status=400)
        found = await self._source.dependencies(self._now() + _AHEAD_NS, lookback + _AHEAD_NS)
        own = bool(parameters.first("own"))
        # devenv's own spans (of the canary and the load generator) are not part of the system under test.
        edges = {
            (each.parent, each.child): each for each in found if own or OWN_SERVICE not in (each.parent, each.child)
        }
        services = {name for name in await self._source.services() if own or name != OWN_SERVICE}
        return page(_FRAME, element("h1", "Service map"), _map(services, edges), _table(edges))


def _map(services: set[str], edges: Edges) -> Markup:
    if not services:
        return element("p", "No spans have arrived yet.", class_="note")
    placed = place(services, set(edges))
    marks = ServiceMarks(services)
    lines = (
        _edge(placed, pair, edge.calls, edge.errors or 0) for pair, edge in sorted(edges.items()) if len({*pair}) > 1
    )
    inside = {caller: edge.calls for (caller, callee), edge in edges.items() if caller == callee}
    boxes = (_box(placed, name, marks, inside.get(name, 0)) for name in sorted(placed.at))
    arrow = element(
        "marker",
        element("path", d="M0,0 L8,4 L0,8 z", class_="tip"),
        id="tip",
        markerUnits="userSpaceOnUse",
        markerWidth="8",
        markerHeight="8",
        refX="8",
        refY="4",
        orient="auto",
    )
    return element(
        "svg",
        element("defs", arrow),
        *lines,
        *boxes,
        viewBox=f"0 0 {placed.width} {placed.height}",
        class_="map",
        role="img",
        aria_label="Services and the calls between them",
    )


def _box(placed: Placed, name: str, marks: ServiceMarks, inside: int) -> Markup:
    x, y = placed.at[name]
    shown = name if len(name) <= 22 else f"{name[:21]}…"
    middle = x + WIDTH / 2
    note = plural(inside, "internal call") if inside else ""
    return element(
        "g",
        element("title", f"{name} {note}".strip()),
        element("rect", x=x, y=y, width=WIDTH, height=HEIGHT, rx="6", class_="box"),
        marks.bar(name, x=x, y=y, width="6", height=HEIGHT, rx="3"),
        element("text", shown, x=middle, y=y + HEIGHT / 2 + (-2 if inside else 4), text_anchor="middle"),
        element("text", note, x=middle, y=y + HEIGHT - 8, text_anchor="middle", class_="small") if inside else None,
    )


def _edge(placed: Placed, pair: tuple[str, str], calls: int, errors: int) -> Markup:
    (x1, y1), (x2, y2) = placed.at[pair[0]], placed.at[pair[1]]
    failing = "failing" if errors else None
    forward = x2 > x1
    start = (x1 + (WIDTH if forward else 0), y1 + HEIGHT / 2)
    end = (x2 + (0 if forward else WIDTH), y2 + HEIGHT / 2)
    bend = (end[0] - start[0]) / 2 if x2 != x1 else 60
    lift = over_columns(x1, x2)
    path = (
        f"M{start[0]},{start[1]} C{start[0] + bend},{start[1] - lift} {end[0] - bend},{end[1] - lift} {end[0]},{end[1]}"
    )
    shown = plural(calls, "call") + (f", {errors} failed" if errors else "")
    x, y = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2 - 0.75 * lift - 6
    thickness = f"{1 + min(calls, 10_000) ** 0.2:.1f}"
    return element(
        "g",
        element("title", f"{pair[0]} → {pair[1]}: {shown}"),
        element("path", d=path, marker_end="url(#tip)", class_=failing, stroke_width=thickness),
        element("text", shown, x=x, y=y, text_anchor="middle", class_=failing),
    )


def _table(edges: Edges) -> Markup:
    if not edges:
        return element("p", "No calls between services yet.", class_="soft")
    head = element("tr", *(element("th", name) for name in ("Caller", "Callee", "Calls", "Errors")))
    lines = (
        element(
            "tr",
            element("td", caller),
            element("td", callee),
            element("td", edge.calls),
            element("td", "" if edge.errors is None else edge.errors, class_="bad" if edge.errors else None),
        )
        for (caller, callee), edge in sorted(edges.items())
    )
    return join(element("table", head, *lines))
