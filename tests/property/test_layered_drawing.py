"""Nothing overlaps in a layered drawing, whatever the graph is, and it is the same each time."""

from __future__ import annotations

import re
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devenv.drawing.layered.graph import Direction, GraphEdge, GraphNode, LayeredDrawing, Point, Rectangle
from devenv.drawing.layered.layout import lay_out
from devenv.drawing.layered.routes import TIP, rounded_path

NAMES = ("auth", "cart", "db", "gateway", "mail", "orders", "pay", "user", "web")
HALF_LINE = 3.0
"""The thickest line of the map has 6 px."""

edges = st.builds(
    GraphEdge,
    source=st.sampled_from(NAMES),
    target=st.sampled_from(NAMES),
    weight=st.integers(1, 100),
    label_width=st.sampled_from([0, 40, 90]),
    label_height=st.just(16),
)
nodes = st.builds(
    lambda sizes: [GraphNode(name, *size) for name, size in zip(NAMES, sizes, strict=True)],
    st.lists(st.sampled_from([(168, 44), (60, 30), (100, 90)]), min_size=len(NAMES), max_size=len(NAMES)),
)
drawn = st.tuples(nodes, st.lists(edges, max_size=16), st.sampled_from(Direction))


def draw(case: tuple[list[GraphNode], list[GraphEdge], Direction]) -> LayeredDrawing:
    return lay_out(case[0], case[1], direction=case[2], entry="gateway")


def overlap(one: Rectangle, other: Rectangle) -> bool:
    """Whether they have more than an edge in common."""
    slack = 1e-6
    return (
        one.x + one.width > other.x + slack
        and other.x + other.width > one.x + slack
        and one.y + one.height > other.y + slack
        and other.y + other.height > one.y + slack
    )


def along(path: str) -> list[Point]:
    """Points on an SVG path of lines and quadratic curves, at most half a line apart."""
    found: list[Point] = []
    for kind, text in re.findall(r"([MLQ])([^MLQ]+)", path):
        numbers = [float(each) for each in re.split(r"[ ,]", text)]
        ends = list(zip(numbers[::2], numbers[1::2], strict=True))
        if kind == "M":
            found.append(ends[0])
            continue
        (x0, y0), (x1, y1) = found[-1], ends[-1]
        bend = ends[0] if kind == "Q" else ((x0 + x1) / 2, (y0 + y1) / 2)
        steps = int((abs(x1 - x0) + abs(y1 - y0)) / HALF_LINE) + 2
        for step in range(1, steps + 1):
            t = step / steps
            found.append(
                (
                    (1 - t) ** 2 * x0 + 2 * t * (1 - t) * bend[0] + t * t * x1,
                    (1 - t) ** 2 * y0 + 2 * t * (1 - t) * bend[1] + t * t * y1,
                )
            )
    return found


def holds(rectangle: Rectangle, point: Point, margin: float) -> bool:
    return (
        rectangle.x - margin < point[0] < rectangle.x + rectangle.width + margin
        and rectangle.y - margin < point[1] < rectangle.y + rectangle.height + margin
    )


@settings(max_examples=100, deadline=None)
@given(drawn)
def test_no_box_and_no_label_overlaps_another(case: tuple[list[GraphNode], list[GraphEdge], Direction]) -> None:
    drawing = draw(case)
    assert set(drawing.boxes) == set(NAMES)
    labels = [edge.label for edge in drawing.edges if edge.label]
    assert len(labels) == sum(edge.label_width > 0 and edge.source != edge.target for edge in case[1])
    for one, other in combinations([*drawing.boxes.values(), *labels], 2):
        assert not overlap(one, other)
    whole = Rectangle(0, 0, drawing.width, drawing.height)
    for part in [*drawing.boxes.values(), *labels]:
        assert whole.x <= part.x + 1e-6
        assert whole.y <= part.y + 1e-6
        assert part.x + part.width <= whole.width + 1e-6
        assert part.y + part.height <= whole.height + 1e-6


@settings(max_examples=100, deadline=None)
@given(drawn)
def test_no_line_runs_over_a_box_or_a_label(case: tuple[list[GraphNode], list[GraphEdge], Direction]) -> None:
    drawing = draw(case)
    for edge in drawing.edges:
        points = along(rounded_path(edge.points))
        ends = {edge.edge.source, edge.edge.target}
        for name, box in drawing.boxes.items():
            margin = -0.1 if name in ends else HALF_LINE
            assert not any(holds(box, point, margin) for point in points), (edge.edge, name)
        for other in drawing.edges:
            if other.label:
                assert not any(holds(other.label, point, HALF_LINE) for point in points), (edge.edge, other.edge)


@settings(max_examples=100, deadline=None)
@given(drawn)
def test_a_line_joins_its_boxes_and_is_straight_at_its_tip(
    case: tuple[list[GraphNode], list[GraphEdge], Direction],
) -> None:
    drawing = draw(case)
    for edge in drawing.edges:
        source, target = drawing.boxes[edge.edge.source], drawing.boxes[edge.edge.target]
        assert holds(source, edge.points[0], 0.1)
        assert holds(target, edge.points[-1], 0.1)
        (x0, y0), (x1, y1) = edge.points[-2:]
        straight = (abs(x1 - x0), abs(y1 - y0)) if case[2] is Direction.RIGHT else (abs(y1 - y0), abs(x1 - x0))
        assert straight[1] == pytest.approx(0)
        assert straight[0] >= TIP - 0.01


@settings(max_examples=40, deadline=None)
@given(drawn, st.randoms(use_true_random=False))
def test_the_drawing_does_not_depend_on_the_order_of_what_is_given(
    case: tuple[list[GraphNode], list[GraphEdge], Direction], random: object
) -> None:
    shuffled = [random.sample(each, len(each)) for each in case[:2]]  # type: ignore[attr-defined]
    assert draw(case) == lay_out(shuffled[0], shuffled[1], direction=case[2], entry="gateway")


@settings(max_examples=40, deadline=None)
@given(st.lists(edges, max_size=12))
def test_without_a_cycle_every_line_points_in_the_direction(given_edges: list[GraphEdge]) -> None:
    forward = [edge for edge in given_edges if edge.source < edge.target]
    for direction in Direction:
        drawing = lay_out([GraphNode(name, 60, 30) for name in NAMES], forward, direction=direction)
        axis = 0 if direction is Direction.RIGHT else 1
        for edge in drawing.edges:
            assert all(here[axis] <= there[axis] for here, there in pairwise(edge.points))
