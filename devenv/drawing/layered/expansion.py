"""Step 4: twice as many layers, a place for the label on the middle of each edge, and on the layers that it passes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from devenv.immutable import immutable

CORNER = 12.0
"""The radius of a line's corners; a label has as much room at both ends, so that no corner touches it."""

LINE = 3.0
"""Half of the thickest line."""

CLEAR = 4.0
"""From the middle of a line to its label."""

Pair = tuple[int, int]


@immutable()
class Size:
    """Of a box or a label, along the direction of the drawing and across it."""

    along: float
    across: float


@immutable()
class Expansion:
    """A graph whose edges join neighbouring layers only.

    Attributes:
        real: the number of nodes that are boxes, which come first; the rest are places on edges.
        layers: the nodes of each layer, by name.
        layer_of: the layer of each node.
        earlier: neighbours of each node in the layer before its own.
        later: neighbours of each node in the layer after its own.
        along: the size of each node in the direction of the drawing.
        before: what each node needs across it on the near side of its line, and
        after: on the far side.
        chains: the nodes of each edge, from the earlier layer to the later one.
        middles: of each edge, the node that has its label.
    """

    real: int
    layers: list[list[int]]
    layer_of: list[int]
    earlier: list[list[int]]
    later: list[list[int]]
    along: list[float]
    before: list[float]
    after: list[float]
    chains: list[list[int]]
    middles: list[int]


def expand(
    boxes: Sequence[Size], layers: Sequence[int], pairs: Sequence[Pair], labels: Sequence[Size | None], *, above: bool
) -> Expansion:
    """Put the places in.

    Args:
        boxes: the size of each node; nodes are in the order of their names.
        layers: the layer of each node.
        pairs: source and target of each edge; the target is in a later layer.
        labels: of each edge.
        above: whether labels are on the near side of their line (above it), or on the far side (right of it).
    """
    along = [box.along for box in boxes]
    before = [box.across / 2 for box in boxes]
    after = list(before)
    layer_of = [2 * layer for layer in layers]
    by_name: list[tuple[int, int, int]] = [(node, -1, -1) for node in range(len(boxes))]
    chains, middles = [], []
    for number, (source, target) in enumerate(pairs):
        chain = [source]
        middle = (layer_of[source] + layer_of[target]) // 2
        for layer in range(layer_of[source] + 1, layer_of[target]):
            node = len(along)
            chain.append(node)
            layer_of.append(layer)
            by_name.append((source, target, number))
            label = labels[number] if layer == middle else None
            room = CLEAR + label.across if label else LINE
            along.append(label.along + 2 * CORNER if label else 0)
            before.append(room if above else LINE)
            after.append(LINE if above else room)
            if layer == middle:
                middles.append(node)
        chain.append(target)
        chains.append(chain)
    filled: list[list[int]] = [[] for _ in range(max(layer_of, default=-1) + 1)]
    for node in sorted(range(len(along)), key=by_name.__getitem__):
        filled[layer_of[node]].append(node)
    earlier: list[list[int]] = [[] for _ in along]
    later: list[list[int]] = [[] for _ in along]
    for chain in chains:
        for node, following in pairwise(chain):
            later[node].append(following)
            earlier[following].append(node)
    return Expansion(len(boxes), filled, layer_of, earlier, later, along, before, after, chains, middles)
