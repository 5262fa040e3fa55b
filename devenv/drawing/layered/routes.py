"""Step 7: the lines of edges through their places, and their paths with round corners."""

from __future__ import annotations

from collections.abc import Sequence
from math import dist

from devenv.drawing.layered.expansion import CORNER, Expansion
from devenv.drawing.layered.graph import Point

TIP = 12.0
"""The last part of a line, which is straight along the direction."""


def route(
    graph: Expansion, chain: Sequence[int], bands: Sequence[tuple[float, float]], at: Sequence[float]
) -> list[Point]:
    """The line of an edge as pairs of places along and across the direction, from the earlier layer to the later.

    Inside a layer a line is parallel to the direction, so it is next to what is beside it; between layers is nothing
    that it could run into.

    Args:
        graph: the nodes.
        chain: the nodes of the edge.
        bands: begin and end of each layer, along the direction.
        at: the place of each node, across it.
    """
    points: list[Point] = []
    for node in chain:
        begin, end = bands[graph.layer_of[node]]
        if node == chain[0]:
            points.append(((begin + end + graph.along[node]) / 2, at[node]))
            points.append((end, at[node]))
        elif node == chain[-1]:
            points.append((begin, at[node]))
            points.append(((begin + end - graph.along[node]) / 2, at[node]))
        else:
            points += [(begin, at[node]), (end, at[node])]
    return points


def with_tip(points: Sequence[Point], *, backwards: bool) -> list[Point]:
    """The line with a straight last part between its layers; ``backwards`` if it ends in an earlier layer."""
    *rest, (before, _), (end, across) = points
    return [*rest, (before + TIP if backwards else before - TIP, across), (end, across)]


def without_needless(points: Sequence[Point]) -> list[Point]:
    """The line without points that are on the straight between their neighbours."""
    kept: list[Point] = []
    for point in points:
        if kept and dist(kept[-1], point) < 0.01:
            continue
        while len(kept) > 1 and _is_between(kept[-2], kept[-1], point):
            kept.pop()
        kept.append(point)
    return kept


def _is_between(first: Point, middle: Point, last: Point) -> bool:
    return abs(dist(first, middle) + dist(middle, last) - dist(first, last)) < 1e-6


def rounded_path(points: Sequence[Point], radius: float = CORNER) -> str:
    """An SVG path (SVG 2, 9.3) along the points with round corners, which take at most half of a part."""
    pieces = [f"M{_shown(points[0])}"]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        pieces.append(f"L{_shown(_towards(corner, before, radius))}")
        pieces.append(f"Q{_shown(corner)} {_shown(_towards(corner, after, radius))}")
    pieces.append(f"L{_shown(points[-1])}")
    return "".join(pieces)


def _towards(corner: Point, other: Point, radius: float) -> Point:
    length = dist(corner, other)
    part = min(radius, length / 2) / length
    return (corner[0] + part * (other[0] - corner[0]), corner[1] + part * (other[1] - corner[1]))


def _shown(point: Point) -> str:
    return ",".join(f"{value:.1f}".removesuffix(".0") for value in point)
