"""Step 3: a layer for each node, so that every edge points to a later one and edges are short."""

from __future__ import annotations

from collections.abc import Sequence

Pair = tuple[int, int]


def assign_layers(count: int, pairs: Sequence[Pair]) -> list[int]:
    """The layer of each node, from 0: the longest path to it, then as near to its neighbours as they allow.

    Args:
        count: the number of nodes.
        pairs: source and target of each edge, without a cycle.
    """
    sources: list[list[int]] = [[] for _ in range(count)]
    targets: list[list[int]] = [[] for _ in range(count)]
    for source, target in pairs:
        sources[target].append(source)
        targets[source].append(target)
    layers = _longest_paths(sources, targets)
    _pull(layers, sources, targets)
    least = min(layers, default=0)
    return [layer - least for layer in layers]


def _longest_paths(sources: list[list[int]], targets: list[list[int]]) -> list[int]:
    layers = [0] * len(sources)
    waiting = [len(each) for each in sources]
    ready = [node for node, number in enumerate(waiting) if not number]
    for node in ready:
        for target in targets[node]:
            layers[target] = max(layers[target], layers[node] + 1)
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    return layers


def _pull(layers: list[int], sources: list[list[int]], targets: list[list[int]]) -> None:
    """Move nodes until no move of a single one shortens the sum of all edges; each move does, so it ends."""
    moved = True
    while moved:
        moved = False
        for node, (before, after) in enumerate(zip(sources, targets, strict=True)):
            place = layers[node]
            if len(before) > len(after):
                place = max(layers[source] for source in before) + 1
            elif len(after) > len(before):
                place = min(layers[target] for target in after) - 1
            if place != layers[node]:
                layers[node] = place
                moved = True
