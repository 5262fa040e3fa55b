"""Traces of some time in pages: each once, newest first, and whether there are older ones."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from typing import Any, cast

import pytest

from devenv.model.trace import Trace
from devenv.testing.spans import SpanBuilder
from devenv.traces import jaeger_json
from devenv.traces.query import Query
from devenv.traces.source import TraceSource
from devenv.traces.window import PAGE, SMALL, TraceWindow, pages_of

START = 10**18


class Stored:
    """A backend's traces, one per `step` nanoseconds; as Jaeger, it returns those that arrived last."""

    def __init__(self, number: int, step: int = 1_000_000) -> None:
        builders = [SpanBuilder(START + place * step) for place in range(number)]
        self.all = [Trace(make.trace_id, (make.span("x", 1),)) for make in builders]
        self.arrived = random.Random(number).sample(self.all, number)
        self.limits: list[int] = []

    async def find(self, query: Query) -> list[Trace]:
        self.limits.append(query.limit)
        found = [trace for trace in self.arrived if query.start_ns <= trace.start_ns <= query.end_ns]
        return sorted(found[: query.limit], key=lambda trace: trace.start_ns, reverse=True)

    async def traces(self, trace_ids: Iterable[str]) -> dict[str, Trace]:
        wanted = set(trace_ids)
        return {trace.trace_id: trace for trace in self.all if trace.trace_id in wanted}


def read(stored: Stored, limit: int) -> tuple[list[str], TraceWindow]:
    window = TraceWindow(cast("TraceSource", stored), Query(start_ns=START, end_ns=START + 10**15, limit=limit))

    async def pages() -> list[str]:
        return [trace.trace_id async for page in window.pages() for trace in page]

    return asyncio.run(pages()), window


@pytest.mark.parametrize("number", [0, 1, PAGE - 1, PAGE, PAGE + 1, 10 * PAGE + 7])
def test_every_trace_comes_once_newest_first(number: int) -> None:
    stored = Stored(number)
    found, window = read(stored, 10_000)
    assert found == [trace.trace_id for trace in reversed(stored.all)]
    assert (window.looked_at, window.more) == (number, False)
    assert max(stored.limits) <= PAGE
    assert len(stored.limits) < 50 + number // SMALL * 2  # slices of half a page, and some to find their length


@pytest.mark.parametrize(("number", "limit", "more"), [(700, 700, False), (701, 700, True), (10, 3, True)])
def test_a_limit_says_whether_there_were_older_ones(number: int, limit: int, more: bool) -> None:
    stored = Stored(number)
    found, window = read(stored, limit)
    assert found == [trace.trace_id for trace in reversed(stored.all)][:limit]
    assert (window.looked_at, window.more) == (limit, more)


def test_traces_of_one_instant_end_the_search_instead_of_repeating_it() -> None:
    stored = Stored(2 * PAGE, step=0)
    _, window = read(stored, 10_000)
    assert window.looked_at == PAGE
    assert window.more
    assert len(stored.limits) < 100


def test_traces_by_their_ids_come_in_pages() -> None:
    stored = Stored(PAGE + 2)
    ids = [trace.trace_id for trace in stored.all]

    async def sizes() -> list[int]:
        return [len(page) async for page in pages_of(cast("TraceSource", stored), [*ids, "0" * 32])]

    assert asyncio.run(sizes()) == [PAGE, 2]


def test_a_trace_that_several_searches_return_is_read_once_unless_it_has_grown() -> None:
    def answer(*traces: tuple[str, int]) -> dict[str, Any]:
        return {"data": [{"traceID": trace_id, "spans": [{}] * spans} for trace_id, spans in traces]}

    found = jaeger_json.traces_in([answer(("a", 2), ("b", 1)), answer(("a", 2), ("b", 3)), {"data": None}, {}])
    assert [(trace["traceID"], len(trace["spans"])) for trace in found] == [("a", 2), ("b", 1), ("b", 3)]
