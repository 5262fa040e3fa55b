"""Traces as they arrive: each is shown once, with all of its spans, and what is left out is counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from devenv.model.trace import TraceSummary
from devenv.traces.tail import Arrived, Tail


def row(name: str, spans: int, start: int = 10) -> TraceSummary:
    return TraceSummary(
        trace_id=name, root_service="web", root_operation="GET", start_ns=start, end_ns=start + 5, spans=spans
    )


def new(**changed: int) -> Tail:
    return Tail(**{"start_ns": 0, "most": 50, "limit": 100, **changed})


def test_a_trace_is_shown_when_no_more_spans_come() -> None:
    tail = new()
    assert tail.take([row("a", 1)]) == Arrived()
    assert tail.take([row("a", 3)]) == Arrived()
    assert tail.take([row("a", 3)]).traces == (row("a", 3),)
    assert tail.take([row("a", 4)]) == Arrived()


def test_a_trace_that_still_grows_is_shown_when_the_window_has_moved_on() -> None:
    tail = new()
    tail.take([row("a", 1)])
    tail.take([row("a", 2)])
    assert tail.take([]).traces == (row("a", 2),)
    assert tail.take([]) == Arrived()


def test_traces_from_before_are_not_shown() -> None:
    tail = new(start_ns=20)
    tail.take([row("old", 1, start=19), row("new", 1, start=20)])
    assert [each.trace_id for each in tail.take([row("old", 1, start=19), row("new", 1, start=20)]).traces] == ["new"]


def test_the_newest_are_shown_and_the_others_counted() -> None:
    tail = new(most=2)
    rows = [row(name, 1, start=number) for number, name in enumerate("dcba")]
    tail.take(rows)
    arrived = tail.take(rows)
    assert [each.trace_id for each in arrived.traces] == ["b", "a"]
    assert (arrived.skipped, arrived.at_least) == (2, False)


def test_a_full_result_says_that_there_may_be_more() -> None:
    assert new(limit=1).take([row("a", 1)]).at_least


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(1, 3), st.integers(0, 4)), max_size=20),
    st.integers(1, 5),
)
def test_each_trace_is_shown_or_counted_once(traces: list[tuple[int, int, int]], window: int) -> None:
    """Traces that start at some look, and whose spans arrive over several looks, each found while the window lasts."""
    tail = new(most=3)
    shown: list[str] = []
    skipped = 0
    for look in range(40):
        found = [
            row(str(number), min(spans, look - start + 1), start)
            for number, (start, spans, _) in enumerate(traces)
            if start <= look < start + window
        ]
        arrived = tail.take(found)
        assert not arrived.skipped or len(arrived.traces) == 3
        shown += [each.trace_id for each in arrived.traces]
        skipped += arrived.skipped
    assert len(shown) == len(set(shown))
    assert len(shown) + skipped == len(traces)
