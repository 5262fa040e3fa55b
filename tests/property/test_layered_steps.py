"""Each step of the layered drawing keeps its promise, whatever the graph is."""

from __future__ import annotations

from itertools import combinations, pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from devenv.drawing.layered.coordinates import GAP, coordinates
from devenv.drawing.layered.crossings import count_crossings
from devenv.drawing.layered.cycles import turned_edges
from devenv.drawing.layered.expansion import Expansion, Size, expand
from devenv.drawing.layered.layers import assign_layers
from devenv.drawing.layered.ordering import order_layers

Pair = tuple[int, int]


@st.composite
def graphs(draw: st.DrawFn, cycles: bool = True) -> tuple[int, list[Pair]]:
    count = draw(st.integers(2, 9))
    node = st.integers(0, count - 1)
    pairs = draw(st.lists(st.tuples(node, node).filter(lambda pair: pair[0] != pair[1]), max_size=18))
    return count, pairs if cycles else [(min(pair), max(pair)) for pair in pairs]


def is_acyclic(count: int, pairs: list[Pair]) -> bool:
    left = set(range(count))
    while ends := {node for node in left if not any(source == node and target in left for source, target in pairs)}:
        left -= ends
    return not left


def expansion(count: int, pairs: list[Pair]) -> Expansion:
    labels = [Size(30, 10) if number % 2 else None for number in range(len(pairs))]
    return expand([Size(40, 20)] * count, assign_layers(count, pairs), pairs, labels, above=True)


def place_of(layers: list[list[int]]) -> list[int]:
    places = {node: number for layer in layers for number, node in enumerate(layer)}
    return [places[node] for node in range(len(places))]


def crossings_by_hand(graph: Expansion, layers: list[list[int]]) -> int:
    place = place_of(layers)
    lines = [(node, other) for layer in layers for node in layer for other in graph.later[node]]
    return sum(
        graph.layer_of[a] == graph.layer_of[c] and (place[a] - place[c]) * (place[b] - place[d]) < 0
        for (a, b), (c, d) in combinations(lines, 2)
    )


@settings(max_examples=80, deadline=None)
@given(graphs(), st.integers(1, 50))
def test_turning_edges_leaves_no_cycle_and_turns_none_without_need(graph: tuple[int, list[Pair]], weight: int) -> None:
    count, pairs = graph
    turned = turned_edges(count, pairs, [weight] * len(pairs))
    assert is_acyclic(count, [pair[::-1] if number in turned else pair for number, pair in enumerate(pairs)])
    if is_acyclic(count, pairs):
        assert turned == set()
    assert len(turned) <= len(pairs) / 2  # the bound of the heuristic for equal weights


@settings(max_examples=80, deadline=None)
@given(graphs(cycles=False))
def test_edges_point_to_later_layers_and_no_single_move_shortens_them(graph: tuple[int, list[Pair]]) -> None:
    count, pairs = graph
    layers = assign_layers(count, pairs)
    assert min(layers) == 0
    assert all(layers[source] < layers[target] for source, target in pairs)

    def length(of: list[int]) -> int | None:
        lengths = [of[target] - of[source] for source, target in pairs]
        return sum(lengths) if all(each > 0 for each in lengths) else None

    for node in range(count):
        for place in range(-1, max(layers) + 2):
            moved = length([place if each == node else layer for each, layer in enumerate(layers)])
            assert moved is None or moved >= (length(layers) or 0)


@settings(max_examples=80, deadline=None)
@given(graphs(cycles=False))
def test_expanded_edges_join_neighbouring_layers_and_have_one_place_for_a_label(graph: tuple[int, list[Pair]]) -> None:
    count, pairs = graph
    expanded = expansion(count, pairs)
    for number, (pair, chain) in enumerate(zip(pairs, expanded.chains, strict=True)):
        assert (chain[0], chain[-1]) == pair
        assert [expanded.layer_of[node] for node in chain] == list(
            range(expanded.layer_of[pair[0]], expanded.layer_of[pair[1]] + 1)
        )
        assert expanded.middles[number] in chain[1:-1]
        labelled = [node for node in chain[1:-1] if expanded.along[node]]
        assert labelled == ([expanded.middles[number]] if number % 2 else [])
    assert sorted(node for layer in expanded.layers for node in layer) == list(range(len(expanded.along)))


@settings(max_examples=80, deadline=None)
@given(graphs(cycles=False), st.randoms(use_true_random=False))
def test_crossings_are_counted_as_by_comparing_each_two_lines(graph: tuple[int, list[Pair]], random: object) -> None:
    expanded = expansion(*graph)
    layers = [random.sample(layer, len(layer)) for layer in expanded.layers]  # type: ignore[attr-defined]
    assert count_crossings(layers, expanded.later, place_of(layers)) == crossings_by_hand(expanded, layers)


@settings(max_examples=80, deadline=None)
@given(graphs(cycles=False))
def test_the_order_has_no_more_crossings_than_by_name(graph: tuple[int, list[Pair]]) -> None:
    expanded = expansion(*graph)
    layers, crossings = order_layers(expanded)
    assert [sorted(layer) for layer in layers] == [sorted(layer) for layer in expanded.layers]
    assert crossings == crossings_by_hand(expanded, layers)
    assert crossings <= crossings_by_hand(expanded, expanded.layers)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(0, 8), min_size=1, max_size=14))
def test_a_tree_is_drawn_without_crossings(parents: list[int]) -> None:
    pairs = [(min(parent, node), node + 1) for node, parent in enumerate(parents)]
    _, crossings = order_layers(expansion(len(parents) + 1, pairs))
    assert crossings == 0


@settings(max_examples=80, deadline=None)
@given(graphs(cycles=False))
def test_nodes_of_a_layer_keep_their_order_and_their_distance(graph: tuple[int, list[Pair]]) -> None:
    expanded = expansion(*graph)
    layers, _ = order_layers(expanded)
    at = coordinates(expanded, layers)
    for layer in layers:
        for node, following in pairwise(layer):
            room = (at[following] - expanded.before[following]) - (at[node] + expanded.after[node])
            assert room >= GAP - 1e-6
    assert min(each - near for each, near in zip(at, expanded.before, strict=True)) == 0


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 12))
def test_a_chain_is_straight(length: int) -> None:
    pairs = [(node, node + 1) for node in range(length)]
    expanded = expansion(length + 1, pairs)
    assert len(set(coordinates(expanded, expanded.layers))) == 1
