"""Step 6, first half: which nodes of neighbouring layers are on one straight line.

After Brandes and Köpf ("Fast and simple horizontal coordinate assignment", 2001).
"""

from __future__ import annotations

from collections.abc import Sequence

Segment = tuple[int, int]


def conflicts(
    layers: Sequence[Sequence[int]], earlier: Sequence[Sequence[int]], place: Sequence[int], real: int
) -> set[Segment]:
    """Lines, by their earlier and later node, that give way: they cross the inside of a long edge.

    Args:
        layers: the nodes of each layer in order.
        earlier: neighbours of each node in the layer before its own.
        place: the place of each node in its layer.
        real: nodes from this number on are places on edges; a line between two of them is the inside of an edge.
    """
    found: set[Segment] = set()
    for number in range(1, len(layers)):
        layer = layers[number]
        low, done = 0, 0
        for position, node in enumerate(layer):
            inner = node >= real and earlier[node][0] >= real
            if not inner and position < len(layer) - 1:
                continue
            high = place[earlier[node][0]] if inner else len(layers[number - 1]) - 1
            for each in layer[done : position + 1]:
                found.update((other, each) for other in earlier[each] if not low <= place[other] <= high)
            low, done = high, position + 1
    return found


def align(
    layers: Sequence[Sequence[int]], neighbours: Sequence[Sequence[int]], place: Sequence[int], avoided: set[Segment]
) -> list[int]:
    """The first node of the straight line that each node is on: each goes with the median of its neighbours.

    Args:
        layers: in the order in which they are gone through, each from its near side.
        neighbours: of each node in the layer that was gone through before its own.
        place: the place of each node in its layer as it is given in ``layers``.
        avoided: pairs of nodes, in either order, that are not put on one line.
    """
    line = list(range(len(place)))
    taken = [False] * len(place)
    for layer in layers:
        last = -1
        for node in layer:
            around = neighbours[node]
            if not around:
                continue
            if len(around) > 1:
                around = sorted(around, key=place.__getitem__)
            for middle in ((len(around) - 1) // 2, len(around) // 2):
                other = around[middle]
                free = (other, node) not in avoided and (node, other) not in avoided
                if not taken[node] and free and last < place[other]:
                    line[node] = line[other]
                    taken[node] = True
                    last = place[other]
    return line
