from __future__ import annotations

import time

import pytest

from devenv.analysis.critical_path import critical_path
from devenv.analysis.tree import build_tree
from devenv.analysis.waterfall import waterfall
from devenv.model.span import Span
from devenv.model.trace import Trace, collect


def span(name: str, parent: str | None, start: int, end: int) -> Span:
    return Span(trace_id="t", span_id=name, parent_id=parent, service=f"s{name}", name=name, start_ns=start, end_ns=end)


def trace(*spans: Span) -> Trace:
    (found,) = collect(spans)
    return found


def path(*spans: Span) -> list[tuple[str, int, int]]:
    return [(each.span_id, each.start_ns, each.end_ns) for each in critical_path(build_tree(trace(*spans)))]


def test_rows_stand_under_their_parents_in_order_of_start() -> None:
    rows = waterfall(
        trace(
            span("late", "root", 60, 90),
            span("early", "root", 10, 50),
            span("leaf", "early", 20, 30),
            span("root", None, 0, 100),
        )
    )
    assert [(row.span.name, row.depth, row.offset_ns) for row in rows] == [
        ("root", 0, 0),
        ("early", 1, 10),
        ("leaf", 2, 20),
        ("late", 1, 60),
    ]


def test_orphans_come_after_the_roots_and_say_so() -> None:
    rows = waterfall(trace(span("lost", "gone", 5, 8), span("below", "lost", 6, 7), span("root", None, 10, 20)))
    assert [(row.span.name, row.depth, row.orphan) for row in rows] == [
        ("root", 0, False),
        ("lost", 0, True),
        ("below", 1, False),
    ]
    assert rows[0].offset_ns == 5


def test_every_span_is_shown_once_even_in_circles() -> None:
    rows = waterfall(
        trace(
            span("a", "b", 0, 5),
            span("b", "c", 1, 5),
            span("c", "a", 2, 5),
            span("self", "self", 3, 4),
            span("d", "a", 4, 5),
        )
    )
    assert sorted(row.span.name for row in rows) == ["a", "b", "c", "d", "self"]
    assert {row.span.name for row in rows if row.orphan} == {"a", "self"}


def test_a_deep_trace_needs_no_deep_recursion() -> None:
    chain = [span(str(number), str(number - 1) if number else None, number, 100_000 - number) for number in range(5000)]
    rows = waterfall(trace(*chain))
    assert (len(rows), rows[-1].depth) == (5000, 4999)
    assert all(row.on_critical_path for row in rows)


def test_the_path_goes_through_the_child_that_ended_last() -> None:
    spans = (span("root", None, 0, 100), span("quick", "root", 10, 40), span("slow", "root", 10, 90))
    assert path(*spans) == [("root", 0, 10), ("slow", 10, 90), ("root", 90, 100)]
    assert {row.span.name: row.on_critical_path for row in waterfall(trace(*spans))} == {
        "root": True,
        "quick": False,
        "slow": True,
    }


def test_children_one_after_the_other_are_all_on_the_path() -> None:
    assert path(
        span("root", None, 0, 100), span("a", "root", 10, 40), span("b", "root", 40, 90), span("c", "b", 50, 60)
    ) == [
        ("root", 0, 10),
        ("a", 10, 40),
        ("b", 40, 50),
        ("c", 50, 60),
        ("b", 60, 90),
        ("root", 90, 100),
    ]


def test_what_goes_on_behind_the_parent_delays_nobody() -> None:
    assert path(span("root", None, 0, 100), span("queued", "root", 150, 300)) == [("root", 0, 100)]
    assert path(span("root", None, 0, 100), span("over", "root", 50, 300)) == [("root", 0, 50), ("over", 50, 100)]


def test_a_trace_without_its_root_has_the_path_of_its_first_orphan() -> None:
    assert path(span("lost", "gone", 0, 10), span("child", "lost", 2, 8)) == [
        ("lost", 0, 2),
        ("child", 2, 8),
        ("lost", 8, 10),
    ]


@pytest.mark.slow
def test_a_trace_of_80000_spans_takes_linear_time() -> None:
    took = {}
    for count in (10_000, 80_000):
        spans = [span("0", None, 0, 10**9), *(span(str(n), str(n // 2), n, n + 5) for n in range(1, count))]
        started = time.process_time()
        assert len(waterfall(trace(*spans))) == count
        took[count] = time.process_time() - started
    assert took[80_000] < 24 * took[10_000]
    assert took[80_000] < 6


def test_times_that_cannot_be_are_marked() -> None:
    rows = waterfall(
        trace(
            span("root", None, 10**18, 10**18 + 100),
            span("back", "root", 10**18 + 50, 10**18 + 20),
            span("endless", "root", 10**18 + 60, 0),
            span("point", "root", 10**18 + 70, 10**18 + 70),
        )
    )
    assert {row.span.name: row.marks for row in rows} == {
        "root": (),
        "back": ("reversed",),
        "endless": ("reversed",),
        "point": (),
    }
    assert [row.marks for row in waterfall(trace(span("unset", None, 0, 10**18)))] == [("untimed",)]
