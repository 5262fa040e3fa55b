"""Step 5: the order of the nodes in each layer, so that few lines cross.

Alternate sweeps by weighted median, after Gansner, Koutsofios, North and Vo ("A technique for drawing directed
graphs", 1993), from four starts; the result with the fewest crossings is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from devenv.drawing.layered.crossings import count_crossings, lighter_when_swapped
from devenv.drawing.layered.expansion import Expansion

SWEEPS = 24
_PATIENCE = 3
"""Sweeps without fewer crossings, after which a start is left."""

_WORK = 120_000
"""Visits of a line that all sweeps together may cost: 300 ms for the largest map."""

_SWAP_ROUNDS = 8
_TIE = 1e-6
"""How little the mean of places counts beside their median."""

Layers = list[list[int]]


def order_layers(graph: Expansion) -> tuple[Layers, int]:
    """The nodes of each layer in order, and the number of crossings; never more than by name."""
    lines = sum(map(len, graph.later))
    sweeps = max(2, min(SWEEPS, _WORK // (4 * max(lines, 1))))
    best, fewest = graph.layers, count_crossings(graph.layers, graph.later, _places(graph.layers, len(graph.along)))
    for start, begin in enumerate(_starts(graph)):
        if not fewest:
            break
        layers, crossings = _improved(graph, begin, sweeps, upwards=start % 2 == 1)
        if crossings < fewest:
            best, fewest = layers, crossings
    best = [list(layer) for layer in best]
    return best, fewest - _swap_neighbours(graph, best) if fewest else 0


def _starts(graph: Expansion) -> Iterator[Layers]:
    yield graph.layers
    yield _by_search(graph, reverse=False)
    yield _by_search(graph, reverse=True)
    yield [list(reversed(layer)) for layer in graph.layers]


def _by_search(graph: Expansion, *, reverse: bool) -> Layers:
    """As a search in depth from the first layer meets them, which is without crossings for a tree."""
    layers: Layers = [[] for _ in graph.layers]
    seen = [False] * len(graph.along)
    for layer in graph.layers:
        for root in reversed(layer) if reverse else layer:
            stack = [root]
            while stack:
                node = stack.pop()
                if seen[node]:
                    continue
                seen[node] = True
                layers[graph.layer_of[node]].append(node)
                stack += graph.later[node] if reverse else reversed(graph.later[node])
    return layers


def _improved(graph: Expansion, begin: Layers, sweeps: int, *, upwards: bool) -> tuple[Layers, int]:
    layers = [list(layer) for layer in begin]
    place = _places(layers, len(graph.along))
    best, fewest = [list(layer) for layer in layers], count_crossings(layers, graph.later, place)
    in_vain = 0
    for sweep in range(sweeps):
        if (sweep % 2 == 0) == upwards:
            for number in range(len(layers) - 2, -1, -1):
                _sort_layer(layers[number], graph.later, place)
        else:
            for number in range(1, len(layers)):
                _sort_layer(layers[number], graph.earlier, place)
        crossings = count_crossings(layers, graph.later, place)
        if crossings < fewest:
            best, fewest, in_vain = [list(layer) for layer in layers], crossings, 0
        else:
            in_vain += 1
        if not fewest or in_vain == _PATIENCE:
            break
    return best, fewest


def _sort_layer(layer: list[int], neighbours: Sequence[Sequence[int]], place: list[int]) -> None:
    """Sort by the median of the neighbours' places, then by their mean, then as it was.

    Equal ones keep their order: the places on the edges of one node are all equal in one direction, and would lose what
    the sweep in the other direction found. What has no neighbour keeps its place.
    """
    if len(layer) < 2:
        return
    keys: dict[int, float] = {}
    for node in layer:
        around = neighbours[node]
        if len(around) == 1:
            keys[node] = place[around[0]]
        elif around:
            keys[node] = _median(sorted([place[each] for each in around]))
    if len(keys) == len(layer):
        layer.sort(key=keys.__getitem__)
    else:
        follow = iter(sorted(keys, key=keys.__getitem__))
        layer[:] = [next(follow) if node in keys else node for node in layer]
    for number, node in enumerate(layer):
        place[node] = number


def _median(places: list[int]) -> float:
    count = len(places)
    half = count // 2
    mean = sum(places) / count
    if count == 2:
        return mean
    if count % 2:
        median: float = places[half]
    else:
        left, right = places[half - 1] - places[0], places[-1] - places[half]
        median = (places[half - 1] + places[half]) / 2
        if left + right:
            median = (places[half - 1] * right + places[half] * left) / (left + right)
    return median + _TIE * mean


def _swap_neighbours(graph: Expansion, layers: Layers) -> int:
    """Swap neighbours while that helps; return how many crossings fewer there are."""
    place = _places(layers, len(graph.along))
    total = 0
    again = set(range(len(layers)))
    for _ in range(_SWAP_ROUNDS):
        changed: set[int] = set()
        for number in sorted(again):
            if fewer := _swap_in(layers[number], graph, place):
                total += fewer
                changed.add(number)
        again = {near for number in changed for near in (number - 1, number, number + 1) if 0 <= near < len(layers)}
    return total


def _swap_in(layer: list[int], graph: Expansion, place: list[int]) -> int:
    earlier, later = graph.earlier, graph.later
    total = 0
    for number in range(len(layer) - 1):
        node, following = layer[number], layer[number + 1]
        gain = lighter_when_swapped(earlier[node], earlier[following], place)
        gain += lighter_when_swapped(later[node], later[following], place)
        if gain > 0:
            layer[number], layer[number + 1] = following, node
            place[node], place[following] = number + 1, number
            total += gain
    return total


def _places(layers: Layers, count: int) -> list[int]:
    place = [0] * count
    for layer in layers:
        for number, node in enumerate(layer):
            place[node] = number
    return place
