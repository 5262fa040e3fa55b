"""What is drawn, and the drawing: sizes and positions in px, from the top left corner."""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum

from devenv.immutable import immutable

Point = tuple[float, float]


class Direction(StrEnum):
    """Where edges point."""

    RIGHT = "right"
    DOWN = "down"


@immutable()
class GraphNode:
    """A box with its name."""

    name: str
    width: float
    height: float


@immutable()
class GraphEdge:
    """An edge between two nodes.

    Attributes:
        weight: how much is lost if it has to point backwards.
        label_width: room for its label; 0 for no label.
        label_height: as ``label_width``.
    """

    source: str
    target: str
    weight: float = 1
    label_width: float = 0
    label_height: float = 0


@immutable()
class Rectangle:
    """A place in the drawing."""

    x: float
    y: float
    width: float
    height: float

    def moved(self, x: float, y: float) -> Rectangle:
        """The same, further right and down."""
        return Rectangle(self.x + x, self.y + y, self.width, self.height)


@immutable()
class RoutedEdge:
    """The line of an edge.

    Attributes:
        points: from the edge of the source's box to that of the target's; the last part is straight along the
            direction of the drawing, so that a tip has room.
        label: the place of the label, beside the line; ``None`` for no label.
    """

    edge: GraphEdge
    points: tuple[Point, ...]
    label: Rectangle | None

    def moved(self, x: float, y: float) -> RoutedEdge:
        """The same, further right and down."""
        label = self.label.moved(x, y) if self.label else None
        return RoutedEdge(self.edge, tuple((left + x, top + y) for left, top in self.points), label)


@immutable()
class LayeredDrawing:
    """Where everything is.

    Attributes:
        boxes: by name, in the order of layers: the order in which a reader goes through them.
        edges: those between two nodes, sorted by their ends; what calls itself has no line.
        crossings: of lines, as counted between layers.
    """

    width: float = 0
    height: float = 0
    boxes: dict[str, Rectangle] = field(default_factory=dict)
    edges: tuple[RoutedEdge, ...] = ()
    crossings: int = 0
