"""How often lines cross between neighbouring layers."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise


def count_crossings(layers: Sequence[Sequence[int]], later: Sequence[Sequence[int]], place: Sequence[int]) -> int:
    """Count the pairs of lines that cross, without those that meet in a node.

    Args:
        layers: the nodes of each layer in order.
        later: neighbours of each node in the layer after its own.
        place: the place of each node in its layer.
    """
    total = 0
    for layer, following in pairwise(layers):
        if len(layer) > 1 and len(following) > 1:
            total += _between(layer, later, place)
    return total


def _between(layer: Sequence[int], later: Sequence[Sequence[int]], place: Sequence[int]) -> int:
    # Lines in the order of their first ends: each crosses those before it that end further along.
    ends: list[int] = []
    for node in layer:
        around = later[node]
        if len(around) == 1:
            ends.append(place[around[0]])
        else:
            ends += sorted([place[each] for each in around])
    seen: list[int] = []
    total = highest = 0
    for end in ends:
        if end >= highest:
            highest = end
            seen.append(end)
        else:
            position = bisect_right(seen, end)
            total += len(seen) - position
            seen.insert(position, end)
    return total


def lighter_when_swapped(first: Sequence[int], second: Sequence[int], place: Sequence[int]) -> int:
    """How many crossings fewer there are if two nodes of a layer that are next to each other change their places.

    Args:
        first: neighbours of the first of the two in another layer.
        second: those of the second.
        place: the place of each node in its layer.
    """
    if len(first) == 1 and len(second) == 1:
        left, right = place[first[0]], place[second[0]]
        return (left > right) - (left < right)
    fewer = 0
    places = [place[other] for other in second]
    for each in first:
        left = place[each]
        for right in places:
            fewer += (left > right) - (left < right)
    return fewer
