"""Self time, failures, the map and objectives beside brute force, whatever spans arrive."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devenv.analysis.comparison.trace_pairs import pair_traces
from devenv.analysis.critical_path import critical_path
from devenv.analysis.failures.propagation import find_failures
from devenv.analysis.figures.operations import Figures
from devenv.analysis.figures.self_time import self_time
from devenv.analysis.own_spans import without_own
from devenv.analysis.percentiles import settled_percentile, settled_samples_needed
from devenv.analysis.service_map.edges import Observed
from devenv.analysis.tree import SKEW_NS, SpanTree, build_tree
from devenv.model.span import Span, SpanKind, Status
from devenv.model.trace import Trace, collect

NAMES = st.sampled_from(["a", "b", "c", "d", "e", "f", "g", "h"])
ANSWERS = {SpanKind.SERVER, SpanKind.CONSUMER}


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    unit = draw(st.sampled_from([1, SKEW_NS]))
    spans = draw(
        st.lists(
            st.builds(
                Span,
                trace_id=st.just("t"),
                span_id=NAMES,
                parent_id=st.one_of(st.none(), NAMES, st.just("gone")),
                service=st.sampled_from(["devenv", "gateway", "auth"]),
                name=st.sampled_from(["get", "put"]),
                kind=st.sampled_from(SpanKind),
                start_ns=st.integers(0, 20).map(lambda time: time * unit),
                end_ns=st.integers(0, 20).map(lambda time: time * unit),
                status=st.sampled_from([Status.UNSET, Status.ERROR]),
            ),
            min_size=1,
            max_size=12,
        )
    )
    return collect(spans)[0]


@settings(max_examples=200, deadline=None)
@given(traces())
def test_self_time_counts_each_instant_without_a_child(trace: Trace) -> None:
    tree = build_tree(trace)
    unit = SKEW_NS if all(span.start_ns % SKEW_NS == span.end_ns % SKEW_NS == 0 for span in trace.spans) else 1
    for span in tree.spans:
        below = tree.below(span)
        instants = range(span.start_ns, span.end_ns, unit)
        free = sum(not any(child.start_ns <= time < child.end_ns for child in below) for time in instants)
        assert self_time(span, below) == free * unit


@settings(max_examples=200, deadline=None)
@given(st.lists(traces(), max_size=4))
def test_figures_count_every_span_once(found: list[Trace]) -> None:
    figures = Figures()
    trees = [build_tree(theirs) for trace in found if (theirs := without_own(trace)) is not None]
    for tree in trees:
        figures.add(tree)
    spans = [span for tree in trees for span in tree.spans]
    assert {key: len(value.samples) for key, value in figures.operations.items()} == Counter(
        (span.service, span.name, span.kind) for span in spans
    )
    assert sum(value.samples.errors for value in figures.operations.values()) == sum(span.is_error for span in spans)
    path = [segment for tree in trees for segment in critical_path(tree)]
    assert figures.critical_ns == sum(segment.duration_ns for segment in path)
    assert sum(value.critical_ns for value in figures.operations.values()) == figures.critical_ns
    assert sum(item.critical_share for item in figures.bottlenecks(100)) == pytest.approx(1 if path else 0)
    assert not any(key[0] == "devenv" for key in figures.operations)


def _carrier(tree: SpanTree, span: Span) -> Span | None:
    """The nearest failed span above, by walking up: unless a service answered in between, or it ended before."""
    upper = tree.parent(span)
    while upper is not None and not upper.is_error:
        if upper.kind in ANSWERS:
            return None
        upper = tree.parent(upper)
    return upper if upper is not None and upper.end_ns >= span.end_ns - SKEW_NS else None


@settings(max_examples=300, deadline=None)
@given(traces())
def test_failures_equal_those_of_a_walk_up_from_each_span(trace: Trace) -> None:
    tree = build_tree(trace)
    found = find_failures(tree)
    every = (*found.failures, *found.retried)
    for failure in every:
        walked: list[Span] = []
        current = _carrier(tree, failure.span)
        while current is not None and len(walked) < len(failure.taken):
            walked.append(current)
            current = _carrier(tree, current)
        assert tuple(walked) == failure.taken
    failed = [span for span in tree.spans if span.is_error]
    origins = {id(failure.span) for failure in every}
    told = origins | {id(span) for failure in every for span in failure.taken}
    attempts = sum(failure.attempts - 1 for failure in every)
    assert len(failed) - len({id(span) for span in failed} & told) <= attempts
    assert len(origins) == len(every)
    assert [failure.span.end_ns for failure in found.failures] == sorted(f.span.end_ns for f in found.failures)


@settings(max_examples=200, deadline=None)
@given(st.lists(traces(), max_size=4))
def test_the_map_has_every_step_from_one_service_to_another(found: list[Trace]) -> None:
    observed = Observed()
    expected: Counter[tuple[str, str]] = Counter()
    for trace in found:
        tree = build_tree(trace)
        observed.add(tree)
        for span in tree.spans:
            parent = tree.parent(span)
            if parent is not None and parent.service != span.service:
                expected[parent.service, span.service] += 1
    steps = {(a, b): len(calls.samples) for a, b, calls in observed.edges() if a != b}
    assert steps == expected


def _paths(tree: SpanTree) -> Counter[tuple[tuple[str, str, SpanKind], ...]]:
    """Number of spans at each path of service, name and kind from the top."""
    paths: dict[int, tuple[tuple[str, str, SpanKind], ...]] = {}
    for span, _ in tree.walk():
        upper = tree.parent(span)
        paths[id(span)] = (*(paths[id(upper)] if upper else ()), (span.service, span.name, span.kind))
    return Counter(paths.values())


@settings(max_examples=200, deadline=None)
@given(traces(), traces())
def test_pairs_have_the_spans_of_each_path_once(one: Trace, other: Trace) -> None:
    a, b = build_tree(one), build_tree(other)
    sides: tuple[Counter[object], Counter[object]] = (Counter(), Counter())
    path: list[tuple[str, str, SpanKind]] = []
    pairs = list(pair_traces(a, b))
    for pair in pairs:
        path[pair.depth :] = [(pair.service, pair.operation, pair.kind)]
        sides[0][tuple(path)] += pair.a.spans
        sides[1][tuple(path)] += pair.b.spans
    assert (+sides[0], +sides[1]) == (_paths(a), _paths(b))
    assert sum(pair.a.total_ns for pair in pairs) == sum(span.duration_ns for span in a.spans)
    assert sum(pair.b.self_ns for pair in pairs) == sum(self_time(span, b.below(span)) for span in b.spans)
    assert all(pair.a.total_ns >= 0 and not pair.diff_ns for pair in pair_traces(a, a))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 1000), min_size=1, max_size=1500), st.sampled_from([0.5, 0.9, 0.99]))
def test_a_percentile_is_the_smallest_value_with_enough_at_or_below_it(values: list[int], quantile: float) -> None:
    found = settled_percentile(sorted(values), quantile)
    assert (found is None) == (len(values) < settled_samples_needed(quantile))
    if found is not None:
        candidates = [value for value in values if sum(v <= value for v in values) >= quantile * len(values) - 1e-9]
        assert found == min(candidates)
