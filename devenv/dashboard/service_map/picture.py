"""The map as SVG: boxes with names and rates, lines as thick as they have calls."""

from __future__ import annotations

from math import ceil

from devenv.dashboard.service_map.calls import ServiceCalls
from devenv.dashboard.service_map.texts import calls_address, calls_text, name_in_box, received_text, service_address
from devenv.dashboard.service_map.texts import text_width as width_of
from devenv.dashboard.services import ServiceMarks
from devenv.drawing.layered.graph import Direction, GraphEdge, GraphNode, Point, Rectangle, RoutedEdge
from devenv.drawing.layered.layout import lay_out
from devenv.drawing.layered.routes import rounded_path
from devenv.drawing.markup import Markup, element, join
from devenv.drawing.words import counted, show_count, show_share
from devenv.immutable import immutable
from devenv.model.trace import ServiceDependency

MAX_LABELS = 40
"""Edges with their numbers beside them; the numbers of more are not legible."""

_WIDTH = 168
_HEIGHT = 44
_TEXT_HEIGHT = 16
_CROSS = 14
_TIP = 9
_MARGIN = 8
_LEAST_SCALE = 0.75
"""Text of 12 px has 9 px then; a map that would have to be smaller scrolls."""

_SEEN = {Direction.RIGHT: (1200, 600), Direction.DOWN: (368, 600)}
"""A map larger than this in px, at its least scale, may begin where the entry is not seen."""


@immutable()
class View:
    """What a map shows beside its services.

    Attributes:
        calls: all of them; what a box says is true for the whole, also if a part is drawn.
        seconds: the range of time.
        lookback: it, as the search page takes it.
        marks: of the services.
    """

    calls: ServiceCalls
    seconds: float
    lookback: str
    marks: ServiceMarks


def picture(drawn: ServiceCalls, view: View, direction: Direction) -> Markup:
    """The map in its box: it shrinks to the width of the box until its text has 9 px, then it scrolls."""
    entry = drawn.entry()
    labelled = len(drawn.between) <= MAX_LABELS
    drawing = lay_out(
        [GraphNode(name, _WIDTH, _HEIGHT) for name in drawn.services],
        [_graph_edge(edge, labelled=labelled) for edge in drawn.between],
        direction=direction,
        entry=entry,
    )
    by_ends = {(edge.parent, edge.child): edge for edge in drawn.between}
    # Lines that fail are over the others, where several meet at a tip.
    routed = [(by_ends[line.edge.source, line.edge.target], line) for line in drawing.edges]
    lines = (_line(edge, line, view) for edge, line in sorted(routed, key=lambda pair: bool(pair[0].errors)))
    anchor = f"entry-{direction.value}"
    boxes = (_box(name, box, view, anchor if name == entry else None) for name, box in drawing.boxes.items())
    width, height = drawing.width + 2 * _MARGIN, drawing.height + 2 * _MARGIN
    least = ceil(width * _LEAST_SCALE)
    counts = f"{counted(len(drawn.services), 'node')}, {counted(len(drawn.between), 'edge')}"
    svg = element(
        "svg",
        *lines,
        *boxes,
        viewBox=f"{-_MARGIN} {-_MARGIN} {width:g} {height:g}",
        width=f"{width:g}",
        height=f"{height:g}",
        class_="map",
        role="group",
        aria_label=f"Service map, {counts}",
    )
    # Two spacers, in one line or in two: what is around them is between the first one's width and both.
    spacers = (element("svg", width=f"{each:g}", height="1", aria_hidden="true") for each in (least, width - least))
    seen = _SEEN[direction]
    begin = f"To {entry}, where the map begins"
    hidden = drawing.width * _LEAST_SCALE > seen[0] or drawing.height * _LEAST_SCALE > seen[1]
    return element(
        "div",
        element("a", begin, href=f"#{anchor}", class_="begin") if entry and hidden else None,
        element("div", element("div", *spacers, class_="room"), svg),
        class_=f"picture {direction.value}",
        role="region",
        aria_label="Service map",
        tabindex="0",
    )


def _graph_edge(edge: ServiceDependency, *, labelled: bool) -> GraphEdge:
    if not labelled:
        return GraphEdge(edge.parent, edge.child, edge.calls)
    width = width_of(calls_text(edge)) + (_CROSS if edge.errors else 0)
    return GraphEdge(edge.parent, edge.child, edge.calls, width, _TEXT_HEIGHT)


def _line(edge: ServiceDependency, line: RoutedEdge, view: View) -> Markup:
    points = line.points
    end, base = points[-1], _before_end(points)
    text = calls_text(edge)
    failing = "failing" if edge.errors else None
    label: tuple[Markup | None, ...] = ()
    if line.label:
        x, y = line.label.x, line.label.y
        cross = _cross(x + 4, y + 8) if edge.errors else None
        label = (cross, element("text", text, x=f"{x + (_CROSS if cross else 0):g}", y=f"{y + 12:g}", class_=failing))
    elif edge.errors:
        label = (_cross(*_middle(points)),)
    return element(
        "a",
        element("title", f"{edge.parent} → {edge.child}: {text}"),
        element("path", d=rounded_path([*points[:-1], base]), stroke_width=f"{_thickness(edge.calls):.1f}"),
        element("path", d=_tip(base, end), class_="tip"),
        *label,
        href=calls_address(edge, view.lookback),
        class_=f"call {failing}" if failing else "call",
        # With the keyboard, the links in the table are the way: one in each row.
        tabindex="-1",
    )


def _thickness(calls: int) -> float:
    thickness: float = max(1, calls) ** 0.2
    return min(6.0, max(1.5, thickness))


def _before_end(points: tuple[Point, ...]) -> Point:
    """Where the line ends and its tip begins; the last part of a line is straight and longer than a tip."""
    (x0, y0), (x1, y1) = points[-2:]
    if x0 == x1:
        return x1, y1 - (_TIP if y1 > y0 else -_TIP)
    return x1 - (_TIP if x1 > x0 else -_TIP), y1


def _tip(base: Point, end: Point) -> str:
    x, y = (base[1] - end[1]) / 2, (end[0] - base[0]) / 2
    corners = (end, (base[0] + x, base[1] + y), (base[0] - x, base[1] - y))
    return "M" + "L".join(f"{left:g},{top:g}" for left, top in corners) + "z"


def _middle(points: tuple[Point, ...]) -> Point:
    half = len(points) // 2
    (x0, y0), (x1, y1) = points[half - 1], points[half]
    return (x0 + x1) / 2, (y0 + y1) / 2


def _cross(x: float, y: float) -> Markup:
    size = 4
    path = f"M{x - size:g},{y - size:g}l{2 * size},{2 * size}m0,{-2 * size}l{-2 * size},{2 * size}"
    return element("path", d=path, class_="cross")


def _box(name: str, box: Rectangle, view: View, anchor: str | None) -> Markup:
    calls = view.calls
    received, failed, inside = calls.received(name), calls.failed(name), calls.inside.get(name, 0)
    often = received_text(received, view.seconds)
    spoken = [name, "service"]
    if received is not None:
        spoken.append(f"receives {often}")
        spoken.append(f"called by {', '.join(calls.callers(name))}")
    if failed and received:
        spoken.append(f"{show_share(failed, received)} of these calls failed")
    if called := calls.called(name):
        spoken.append(f"calls {', '.join(called)}")
    if inside:
        spoken.append(f"{counted(inside, 'call')} inside")
    right = box.x + box.width - 10
    badge = f"↻ {show_count(inside)}" if inside else None
    return element(
        "a",
        element("title", ", ".join(spoken)),
        element("rect", x=f"{box.x:g}", y=f"{box.y:g}", width=_WIDTH, height=_HEIGHT, rx="4", class_="box"),
        view.marks.bar(name, x=f"{box.x:g}", y=f"{box.y:g}", width="4", height=_HEIGHT, rx="2"),
        element("text", name_in_box(name), x=f"{box.x + 12:g}", y=f"{box.y + 18:g}", class_="name"),
        element("text", often, x=f"{box.x + 12:g}", y=f"{box.y + 35:g}", class_="small"),
        element("text", badge, x=f"{right - (16 if failed else 0):g}", y=f"{box.y + 35:g}", class_="small badge")
        if badge
        else None,
        _cross(right - 4, box.y + 31) if failed else None,
        href=service_address(name, view.lookback),
        class_="node",
        id=anchor,
    )


def pictures(drawn: ServiceCalls, view: View) -> Markup:
    """From left to right for wide windows, and from top to bottom for narrow ones: the style sheet shows one."""
    return join(*(picture(drawn, view, direction) for direction in Direction))
