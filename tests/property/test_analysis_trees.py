"""Whatever spans arrive, nothing is lost or counted twice."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from devenv.analysis.completeness import Expectation, classify, is_complete
from devenv.analysis.critical_path import critical_path
from devenv.analysis.eviction import LEAST, infer_evicted
from devenv.analysis.tree import build_tree
from devenv.analysis.waterfall import waterfall
from devenv.model.span import Span, SpanKind
from devenv.model.trace import Trace, collect

NAMES = st.sampled_from(["a", "b", "c", "d", "e", "f", "g", "h"])


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    spans = draw(
        st.lists(
            st.builds(
                Span,
                trace_id=st.just("t"),
                span_id=NAMES,
                parent_id=st.one_of(st.none(), NAMES, st.just("gone")),
                service=st.sampled_from(["devenv", "gateway", "auth"]),
                name=st.just("op"),
                kind=st.sampled_from(SpanKind),
                start_ns=st.integers(0, 50),
                end_ns=st.integers(0, 50),
            ),
            min_size=1,
            max_size=12,
        )
    )
    return collect(spans)[0]


@settings(max_examples=150, deadline=None)
@given(traces())
def test_every_span_has_exactly_one_row(trace: Trace) -> None:
    rows = waterfall(trace)
    assert sorted(row.span.span_id for row in rows) == sorted(span.span_id for span in trace.spans)
    depths: dict[str, int] = {}
    for row in sorted(rows, key=lambda row: row.span.start_ns):
        depths.setdefault(row.span.span_id, row.depth)  # the first of an ID that occurs twice has the children
    for row in rows:
        if row.depth:
            assert depths[str(row.span.parent_id)] == row.depth - 1


@settings(max_examples=150, deadline=None)
@given(traces())
def test_the_critical_path_covers_its_top_without_gap_or_overlap(trace: Trace) -> None:
    tree = build_tree(trace)
    top, path = tree.tops[0], critical_path(tree)
    assert sum(segment.duration_ns for segment in path) == top.duration_ns
    for before, after in pairwise(path):
        assert before.end_ns == after.start_ns
    if path:
        assert (path[0].start_ns, path[-1].end_ns) == (top.start_ns, top.end_ns)


@settings(max_examples=150, deadline=None)
@given(traces(), st.frozensets(st.sampled_from(["gateway", "auth", "user"])))
def test_the_quick_form_agrees_with_the_class(trace: Trace, services: frozenset[str]) -> None:
    finding = classify(trace, Expectation(services=services))
    assert is_complete(trace, services) == (finding.trace_class == "complete")
    assert bool(finding.cause) == (finding.trace_class != "complete")


@settings(max_examples=150, deadline=None)
@given(st.lists(st.booleans(), max_size=60), st.integers(0, 40), st.integers(0, 40))
def test_eviction_is_inferred_from_a_block_at_the_beginning_only(noise: list[bool], gone: int, there: int) -> None:
    block = infer_evicted([True] * gone + [False] * there)
    assert block == (tuple(range(gone)) if gone >= LEAST and there else ())
    found = infer_evicted(noise)
    assert not found or all(noise[position] for position in found)
    assert not found or len(found) == sum(noise)
