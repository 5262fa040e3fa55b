"""Step 6: where nodes stand across the direction of the drawing.

After Brandes and Köpf: straight lines are chosen in four ways, from both ends and both sides, each is packed closely,
and a node is in the middle of the middle two of its four places. Between nodes of a layer there is always room, as
it is in each of the four.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from devenv.drawing.layered.alignment import align, conflicts
from devenv.drawing.layered.expansion import Expansion

GAP = 16.0
"""Between the boxes, labels and lines of a layer."""


def coordinates(graph: Expansion, layers: Sequence[Sequence[int]]) -> list[float]:
    """The place of each node's line across the direction, the least edge of all nodes at 0.

    Args:
        graph: the nodes.
        layers: their order in each layer.
    """
    count = len(graph.along)
    place = [0] * count
    for layer in layers:
        for number, node in enumerate(layer):
            place[node] = number
    mirrored = [0] * count
    for layer in layers:
        for number, node in enumerate(layer):
            mirrored[node] = len(layer) - 1 - number
    avoided = conflicts(layers, graph.earlier, place, graph.real)
    back = [list(reversed(layer)) for layer in layers]
    packed: list[list[float]] = []
    for forward, neighbours in ((True, graph.earlier), (False, graph.later)):
        step = 1 if forward else -1
        packed.append(_pack(layers, align(layers[::step], neighbours, place, avoided), graph.before, graph.after))
        far = _pack(back, align(back[::step], neighbours, mirrored, avoided), graph.after, graph.before)
        packed.append([-each for each in far])
    return _middle(packed, graph)


def _pack(
    layers: Sequence[Sequence[int]], line: Sequence[int], before: Sequence[float], after: Sequence[float]
) -> list[float]:
    """Put straight lines as near to the near side as they can be, then each close to the next one."""
    farther: dict[int, dict[int, float]] = {node: {} for node in line}
    waiting = dict.fromkeys(farther, 0)
    for layer in layers:
        for node, following in pairwise(layer):
            here, there = line[node], line[following]
            distance = after[node] + GAP + before[following]
            if there not in farther[here]:
                waiting[there] += 1
            farther[here][there] = max(distance, farther[here].get(there, 0))
    at = dict.fromkeys(farther, 0.0)
    ordered = [each for each, number in waiting.items() if not number]
    for each in ordered:
        for other, distance in farther[each].items():
            at[other] = max(at[other], at[each] + distance)
            waiting[other] -= 1
            if not waiting[other]:
                ordered.append(other)
    for each in reversed(ordered):
        if farther[each]:
            at[each] = max(at[each], min(at[other] - distance for other, distance in farther[each].items()))
    return [at[each] for each in line]


def _middle(packed: list[list[float]], graph: Expansion) -> list[float]:
    """The four, side by side with the narrowest of them, and the middle of each node's middle two."""
    nodes = range(len(graph.along))
    ends = [
        (
            min((at[node] - graph.before[node] for node in nodes), default=0),
            max((at[node] + graph.after[node] for node in nodes), default=0),
        )
        for at in packed
    ]
    least, most = min(ends, key=lambda pair: pair[1] - pair[0])
    shifts = [most - far if number % 2 else least - near for number, (near, far) in enumerate(ends)]
    middle = []
    for node in nodes:
        four = sorted(at[node] + shift for at, shift in zip(packed, shifts, strict=True))
        middle.append((four[1] + four[2]) / 2)
    edge = min((middle[node] - graph.before[node] for node in nodes), default=0)
    return [each - edge for each in middle]
