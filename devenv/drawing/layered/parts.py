"""Parts of a graph that no edge connects, and where they stand: below each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from devenv.drawing.layered.graph import GraphEdge, GraphNode, LayeredDrawing, Rectangle

PART_GAP = 32.0
_ROW_GAP = 16.0


def connected_parts(names: Sequence[str], edges: Iterable[GraphEdge], first: str | None = None) -> list[list[str]]:
    """The names of each part: the one with ``first`` in front, then the largest; equal ones by name."""
    around: dict[str, list[str]] = {name: [] for name in sorted(names)}
    for edge in edges:
        around[edge.source].append(edge.target)
        around[edge.target].append(edge.source)
    parts: list[list[str]] = []
    seen: set[str] = set()
    for name in around:
        if name in seen:
            continue
        seen.add(name)
        part = [name]
        for each in part:
            new = [other for other in dict.fromkeys(around[each]) if other not in seen]
            seen.update(new)
            part += new
        parts.append(sorted(part))
    return sorted(parts, key=lambda part: (first not in part, -len(part), part[0]))


def rows(nodes: Sequence[GraphNode], width: float) -> LayeredDrawing:
    """Nodes without edges: beside each other, in rows of a width."""
    boxes: dict[str, Rectangle] = {}
    x = y = tallest = widest = 0.0
    for node in nodes:
        if x and x + node.width > width:
            x, y, tallest = 0.0, y + tallest + _ROW_GAP, 0.0
        boxes[node.name] = Rectangle(x, y, node.width, node.height)
        tallest = max(tallest, node.height)
        widest = max(widest, x + node.width)
        x += node.width + _ROW_GAP
    return LayeredDrawing(widest, y + tallest, boxes)


def below_each_other(parts: Sequence[LayeredDrawing]) -> LayeredDrawing:
    """One drawing of several."""
    boxes: dict[str, Rectangle] = {}
    edges = []
    y = 0.0
    for part in parts:
        boxes |= {name: box.moved(0, y) for name, box in part.boxes.items()}
        edges += [edge.moved(0, y) for edge in part.edges]
        y += part.height + PART_GAP
    width = max((part.width for part in parts), default=0)
    return LayeredDrawing(width, max(0, y - PART_GAP), boxes, tuple(edges), sum(part.crossings for part in parts))
