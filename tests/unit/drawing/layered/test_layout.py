"""Small drawings worked out by hand, and the work that large ones take."""

from __future__ import annotations

import cProfile
import random

import pytest

from devenv.drawing.layered.cycles import turned_edges
from devenv.drawing.layered.expansion import CLEAR, CORNER
from devenv.drawing.layered.graph import Direction, GraphEdge, GraphNode, LayeredDrawing, Rectangle
from devenv.drawing.layered.layers import assign_layers
from devenv.drawing.layered.layout import LAYER_GAP, lay_out
from devenv.drawing.layered.parts import PART_GAP
from devenv.drawing.layered.routes import TIP, rounded_path, without_needless


def boxes(*names: str) -> list[GraphNode]:
    return [GraphNode(name, 168, 44) for name in names]


def test_a_call_has_its_label_above_the_line_between_the_boxes() -> None:
    drawing = lay_out(boxes("a", "b"), [GraphEdge("a", "b", 1, 80, 16)])
    assert drawing.boxes["a"] == Rectangle(0, 0, 168, 44)
    between = LAYER_GAP + 80 + LAYER_GAP
    assert drawing.boxes["b"] == Rectangle(168 + between, 0, 168, 44)
    assert drawing.edges[0].points == ((168, 22), (168 + between, 22))
    assert drawing.edges[0].label == Rectangle(168 + LAYER_GAP, 22 - CLEAR - 16, 80, 16)
    assert (drawing.width, drawing.height, drawing.crossings) == (336 + between, 44, 0)


def test_from_top_to_bottom_it_stands_right_of_the_line() -> None:
    drawing = lay_out(boxes("a", "b"), [GraphEdge("a", "b", 1, 60, 16)], direction=Direction.DOWN)
    between = LAYER_GAP + 16 + LAYER_GAP
    assert drawing.boxes["b"] == Rectangle(0, 44 + between, 168, 44)
    assert drawing.edges[0].points == ((84, 44), (84, 44 + between))
    assert drawing.edges[0].label == Rectangle(84 + CLEAR, 44 + LAYER_GAP, 60, 16)


def test_the_lines_of_a_cycle_point_where_they_call() -> None:
    drawing = lay_out(boxes("a", "b"), [GraphEdge("a", "b", 9), GraphEdge("b", "a", 1)])
    there, back = drawing.edges
    assert (there.points[0][0], there.points[-1][0]) == (168, drawing.boxes["b"].x)
    assert (back.points[0][0], back.points[-1][0]) == (drawing.boxes["b"].x, 168)
    assert back.points[-2] == (168 + TIP, 22)
    middle = drawing.boxes["b"].x / 2 + 84
    assert {y for x, y in there.points if x == middle} != {y for x, y in back.points if x == middle}


@pytest.mark.parametrize(("weights", "turned"), [((9, 9, 1), {2}), ((1, 9, 9), {0}), ((9, 1, 9), {1})])
def test_of_a_cycle_the_call_with_the_least_weight_points_back(weights: tuple[int, int, int], turned: set[int]) -> None:
    assert turned_edges(3, [(0, 1), (1, 2), (2, 0)], weights) == turned


@pytest.mark.parametrize("entry", ["a", "b", "c"])
def test_the_entry_is_in_front_of_its_cycle(entry: str) -> None:
    drawing = lay_out(boxes("a", "b", "c"), [GraphEdge(*pair) for pair in ("ab", "bc", "ca")], entry=entry)
    assert next(iter(drawing.boxes)) == entry
    assert drawing.boxes[entry].x == 0


def test_layers_are_pulled_together() -> None:
    # 0 → 1 → 2 → 3 and 4 → 3: by the longest path alone, 4 would be beside 0.
    assert assign_layers(5, [(0, 1), (1, 2), (2, 3), (4, 3)]) == [0, 1, 2, 3, 2]


def test_parts_stand_below_each_other_with_the_entry_on_top_and_the_lonely_in_rows() -> None:
    names = ("a", "b", "c", "d", "x", *(f"z{number}" for number in range(5)))
    drawing = lay_out(boxes(*names), [GraphEdge("a", "b"), GraphEdge("b", "c"), GraphEdge("x", "d")], entry="x")
    assert [drawing.boxes[name].y for name in "xda"] == [0, 0, 44 + PART_GAP]
    lonely = [(drawing.boxes[f"z{number}"].x, drawing.boxes[f"z{number}"].y) for number in range(5)]
    top = 2 * (44 + PART_GAP)
    assert lonely == [(0, top), (184, top), (368, top), (552, top), (0, top + 60)]
    assert drawing.height == top + 60 + 44


def test_what_calls_itself_has_no_line() -> None:
    assert lay_out(boxes("a"), [GraphEdge("a", "a")]).edges == ()
    assert lay_out([], []) == LayeredDrawing()


@pytest.mark.parametrize(
    ("names", "message"), [(("a", "a"), "two nodes have the same name"), (("a",), "not a node: gone")]
)
def test_a_graph_that_makes_no_sense_is_refused(names: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        lay_out(boxes(*names), [GraphEdge("a", "gone")])


def test_corners_are_round_and_take_at_most_half_of_a_line() -> None:
    assert rounded_path([(0, 0), (100, 0), (100, 8), (200, 8)]) == (
        f"M0,0L{100 - CORNER:.0f},0Q100,0 100,4L100,4Q100,8 {100 + CORNER:.0f},8L200,8"
    )
    assert without_needless([(0, 0), (5, 0), (5, 0), (9, 0), (9, 4)]) == [(0, 0), (9, 0), (9, 4)]


def stack(services: int, calls: int) -> tuple[list[GraphNode], list[GraphEdge]]:
    """Services in six tiers that mostly call the next tier, as stacks of this size do."""
    chance = random.Random(1)
    names = [f"service-{number:03}" for number in range(services)]
    tier = [0, *sorted(min(5, int(chance.triangular(1, 6, 3))) for _ in names[1:])]
    pairs: dict[tuple[int, int], None] = {}
    while len(pairs) < calls:
        caller, called = chance.randrange(services), chance.randrange(services)
        apart = tier[called] - tier[caller]
        if caller != called and (apart == 1 or (apart > 1 and chance.random() < 0.3) or chance.random() < 0.01):
            pairs[caller, called] = None
    edges = [GraphEdge(names[caller], names[called], chance.randrange(1, 1000)) for caller, called in pairs]
    return boxes(*names), edges


@pytest.mark.parametrize(("services", "calls", "most"), [(36, 120, 250_000), (150, 600, 2_000_000)])
def test_the_work_of_a_large_map_is_bounded(services: int, calls: int, most: int) -> None:
    """Calls of functions, which do not depend on the machine: 139,000 and 1,211,000 when this was written."""
    nodes, edges = stack(services, calls)
    profile = cProfile.Profile()
    drawing = profile.runcall(lay_out, nodes, edges)
    assert len(drawing.edges) == calls
    taken = sum(entry.callcount for entry in profile.getstats())
    assert taken < most
