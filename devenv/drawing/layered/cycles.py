"""Steps 1 and 2: edges without those of a node to itself, and those that are turned so that no cycle is left."""

from __future__ import annotations

from collections.abc import Sequence

Pair = tuple[int, int]


def turned_edges(count: int, pairs: Sequence[Pair], weights: Sequence[float], first: int | None = None) -> set[int]:
    """Indexes of the edges that point backwards in an order of the nodes that makes them few and light.

    The greedy order of Eades, Lin and Smyth ("A fast and effective heuristic for the feedback arc set problem", 1993),
    with weights: what calls only is in front, what is called only is at the end, and of a cycle the node is in front
    that gives most and takes least. A graph without cycles has no such edge.

    Args:
        count: the number of nodes; of equal ones, the lower number is in front.
        pairs: source and target of each edge, which differ.
        weights: of each edge.
        first: the node that is in front, if it is on a cycle.
    """
    rank = {node: place for place, node in enumerate(_greedy_order(count, pairs, weights, first))}
    return {number for number, (source, target) in enumerate(pairs) if rank[source] > rank[target]}


def _greedy_order(count: int, pairs: Sequence[Pair], weights: Sequence[float], first: int | None) -> list[int]:
    given = [dict[int, float]() for _ in range(count)]
    taken = [dict[int, float]() for _ in range(count)]
    for (source, target), weight in zip(pairs, weights, strict=True):
        given[source][target] = given[source].get(target, 0) + weight
        taken[target][source] = taken[target].get(source, 0) + weight
    left = set(range(count))
    front: list[int] = []
    back: list[int] = []

    def remove(node: int) -> None:
        left.discard(node)
        for target in given[node]:
            del taken[target][node]
        for source in taken[node]:
            del given[source][node]

    while left:
        if ends := sorted((node for node in left if not given[node]), reverse=True):
            for node in ends:
                remove(node)
                back.append(node)
        elif starts := sorted(node for node in left if not taken[node]):
            for node in starts:
                remove(node)
                front.append(node)
        else:
            best = min(
                left, key=lambda node: (node != first, sum(taken[node].values()) - sum(given[node].values()), node)
            )
            remove(best)
            front.append(best)
    return [*front, *reversed(back)]
