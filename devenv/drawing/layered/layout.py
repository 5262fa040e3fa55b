"""All steps: from nodes and edges to a drawing."""

from __future__ import annotations

from collections.abc import Sequence

from devenv.drawing.layered.coordinates import coordinates
from devenv.drawing.layered.cycles import turned_edges
from devenv.drawing.layered.expansion import CLEAR, CORNER, Expansion, Size, expand
from devenv.drawing.layered.graph import (
    Direction,
    GraphEdge,
    GraphNode,
    LayeredDrawing,
    Point,
    Rectangle,
    RoutedEdge,
)
from devenv.drawing.layered.layers import assign_layers
from devenv.drawing.layered.ordering import order_layers
from devenv.drawing.layered.parts import below_each_other, connected_parts, rows
from devenv.drawing.layered.routes import route, with_tip, without_needless

LAYER_GAP = 40.0
"""Between a box and the label beside it; a line has its corners in it."""

_FEW_LINES = 8
"""Slanted lines between two layers that have room enough; each further one adds a pixel, so that they can be told."""

_MORE_GAP = 32

_ROW = {Direction.RIGHT: 720.0, Direction.DOWN: 352.0}
"""Nodes without edges are in rows of this width, if nothing is wider: 4 boxes of 168 px, or 2."""


def lay_out(
    nodes: Sequence[GraphNode],
    edges: Sequence[GraphEdge],
    *,
    direction: Direction = Direction.RIGHT,
    entry: str | None = None,
) -> LayeredDrawing:
    """Draw a graph: the same for the same nodes and edges, in whatever order they are given.

    No box or label overlaps another, and no line another's label or a box. Edges of a node to itself are left out.

    Args:
        nodes: names must differ.
        edges: several between the same nodes have a line each.
        direction: where edges point that are not part of a cycle.
        entry: the node that is drawn first, with what is connected to it.

    Raises:
        ValueError: If a name occurs twice, or an edge has an end that is not a node.
    """
    by_name = {node.name: node for node in sorted(nodes, key=lambda node: node.name)}
    if len(by_name) < len(nodes):
        raise ValueError("two nodes have the same name")
    if missing := {name for edge in edges for name in (edge.source, edge.target)} - by_name.keys():
        raise ValueError(f"an edge has an end that is not a node: {min(missing)}")
    drawn = sorted((edge for edge in edges if edge.source != edge.target), key=_edge_order)
    parts = connected_parts(list(by_name), drawn, entry)
    drawings = [
        _part([by_name[name] for name in part], [edge for edge in drawn if edge.source in set(part)], direction, entry)
        for part in parts
        if len(part) > 1
    ]
    if alone := [by_name[part[0]] for part in parts if len(part) == 1]:
        width = max(_ROW[direction], *(drawing.width for drawing in drawings), 0)
        drawings.append(rows(alone, width))
    return below_each_other(drawings)


def _edge_order(edge: GraphEdge) -> tuple[str, str, float, float, float]:
    return edge.source, edge.target, edge.weight, edge.label_width, edge.label_height


def _part(
    nodes: Sequence[GraphNode], edges: Sequence[GraphEdge], direction: Direction, entry: str | None
) -> LayeredDrawing:
    right = direction is Direction.RIGHT
    number = {node.name: each for each, node in enumerate(nodes)}
    pairs = [(number[edge.source], number[edge.target]) for edge in edges]
    first = number.get(entry) if entry is not None else None
    turned = turned_edges(len(nodes), pairs, [edge.weight for edge in edges], first)
    pairs = [pair[::-1] if each in turned else pair for each, pair in enumerate(pairs)]
    sizes = [_size(node.width, node.height, right=right) for node in nodes]
    labels = [_size(edge.label_width, edge.label_height, right=right) if edge.label_width else None for edge in edges]
    graph = expand(sizes, assign_layers(len(nodes), pairs), pairs, labels, above=right)
    layers, crossings = order_layers(graph)
    at = coordinates(graph, layers)
    bands = _bands(graph, layers, at)

    def place(along: float, across: float) -> Point:
        return (along, across) if right else (across, along)

    def rectangle(node: int, along: float, across: float, size: Size) -> Rectangle:
        begin, end = bands[graph.layer_of[node]]
        x, y = place((begin + end - along) / 2, across)
        return Rectangle(x, y, *place(size.along, size.across))

    boxes = {
        nodes[node].name: rectangle(node, sizes[node].along, at[node] - sizes[node].across / 2, sizes[node])
        for layer in layers
        for node in layer
        if node < graph.real
    }
    routed = []
    for each, edge in enumerate(edges):
        backwards = each in turned
        points = route(graph, graph.chains[each], bands, at)[:: -1 if backwards else 1]
        points = without_needless(with_tip(points, backwards=backwards))
        middle, size = graph.middles[each], labels[each]
        label = None
        if size:
            across = at[middle] - CLEAR - size.across if right else at[middle] + CLEAR
            label = rectangle(middle, size.along, across, size)
        routed.append(RoutedEdge(edge, tuple(place(*point) for point in points), label))
    across = max(each + after for each, after in zip(at, graph.after, strict=True))
    width, height = place(bands[-1][1], across)
    return LayeredDrawing(width, height, boxes, tuple(routed), crossings)


def _size(width: float, height: float, *, right: bool) -> Size:
    return Size(width, height) if right else Size(height, width)


def _bands(graph: Expansion, layers: Sequence[Sequence[int]], at: Sequence[float]) -> list[tuple[float, float]]:
    """Begin and end of each layer along the direction."""
    bands = []
    begin = 0.0
    for layer in layers:
        end = begin + max(graph.along[node] for node in layer)
        bands.append((begin, end))
        slanted = sum(at[node] != at[other] for node in layer for other in graph.later[node])
        begin = end + LAYER_GAP - CORNER + min(max(0, slanted - _FEW_LINES), _MORE_GAP)
    return bands
