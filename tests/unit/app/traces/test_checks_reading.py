"""Reading for the checks: traces that may grow are read again, and answers of a run are found in other traces."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import cast

from devenv.analysis.callees import Callees
from devenv.analysis.checks.checks import KnownStack, TraceChecks
from devenv.app.traces.checks.reading import SETTLING_S, Reading
from devenv.app.traces.run_traces import RunTraces
from devenv.model.span import Span, SpanKind
from devenv.model.trace import Trace, collect
from devenv.testing.fake_clock import FakeClock
from devenv.testing.spans import SpanBuilder
from devenv.traces.query import Query
from devenv.traces.source import TraceSource

NOW = 1_700_000_000
NOW_NS = NOW * 10**9
AROUND = KnownStack(
    callees=Callees(hosts={"web": "web", "auth": "auth"}), traced=frozenset({"web", "auth"}), entrypoint="web"
)


class Stored:
    """A backend whose later spans arrive when the clock has passed a time."""

    def __init__(self, clock: FakeClock, spans: Iterable[Span], later: Iterable[Span] = ()) -> None:
        self._clock = clock
        self._spans = list(spans)
        self._later = list(later)
        self.asked: list[set[str]] = []

    def _now(self) -> list[Trace]:
        return collect([*self._spans, *(self._later if self._clock.monotonic() >= SETTLING_S else ())])

    async def find(self, query: Query) -> list[Trace]:
        found = [each for each in self._now() if query.start_ns <= each.start_ns <= query.end_ns]
        return sorted(found, key=lambda each: -each.start_ns)[: query.limit]

    async def traces(self, trace_ids: Iterable[str]) -> dict[str, Trace]:
        wanted = set(trace_ids)
        self.asked.append(wanted)
        return {each.trace_id: each for each in self._now() if each.trace_id in wanted}


def request(start_ns: int, *, lost: bool = False) -> list[Span]:
    """A request that web answers by calling auth; if the header is lost, auth's span is in its own trace."""
    make = SpanBuilder(start_ns)
    called = {"server.address": "auth", "http.response.status_code": 200}
    spans = [
        make.span("GET /", 1, took=9, service="web", kind=SpanKind.SERVER),
        replace(make.span("GET", 2, 1, at=1, took=7, service="web", kind=SpanKind.CLIENT), attributes=called),
        make.span("GET /verify", 3, 2, at=2, took=4, service="auth", kind=SpanKind.SERVER),
    ]
    if lost:
        spans[2] = replace(spans[2], trace_id=SpanBuilder(0).trace_id, parent_id=None)
    named = {"service.instance.id": "1", "telemetry.sdk.language": "python", "telemetry.sdk.name": "opentelemetry"}
    return [replace(span, resource={"service.name": span.service, **named}) for span in spans]


def reading(clock: FakeClock, stored: Stored, limit: int = 100) -> tuple[Reading, TraceChecks]:
    checks = TraceChecks(AROUND)
    return Reading(cast("TraceSource", stored), checks, clock, limit=limit), checks


async def test_settled_traces_are_read_once_without_a_pause() -> None:
    clock = FakeClock(NOW)
    stored = Stored(clock, [span for n in range(3) for span in request(NOW_NS - (20 + n) * 10**9)])
    read, checks = reading(clock, stored)
    looked = await read.window(NOW_NS - 60 * 10**9, NOW_NS)
    assert (checks.looked_at, looked.more, clock.monotonic(), stored.asked) == (3, False, 0, [])
    assert checks.findings({}) == []


async def test_a_trace_that_may_grow_is_read_again_after_the_settling_time() -> None:
    clock = FakeClock(NOW)
    *first, last = request(NOW_NS - 10**9)
    whole = request(NOW_NS - 2 * 10**9)
    stored = Stored(clock, [*first, *whole], later=[last])
    read, checks = reading(clock, stored)
    await read.window(NOW_NS - 60 * 10**9, NOW_NS)
    assert clock.monotonic() == SETTLING_S
    assert stored.asked == [{first[0].trace_id}]
    assert checks.looked_at == 2
    assert checks.findings({}) == []


async def test_a_span_that_never_arrives_is_a_finding_also_of_a_new_trace() -> None:
    clock = FakeClock(NOW)
    stored = Stored(clock, [*request(NOW_NS - 20 * 10**9), *request(NOW_NS - 10**9)[:2]])
    read, checks = reading(clock, stored)
    await read.window(NOW_NS - 60 * 10**9, NOW_NS)
    (found,) = checks.findings({})
    assert (found.kind, found.service, found.count) == ("exporter-drops", "auth", 1)


async def test_an_answer_in_a_trace_of_its_own_may_arrive_later_than_its_call() -> None:
    clock = FakeClock(NOW)
    *first, last = request(NOW_NS - 10**9, lost=True)
    read, checks = reading(clock, Stored(clock, first, later=[last]))
    await read.window(NOW_NS - 60 * 10**9, NOW_NS)
    (found,) = checks.findings({})
    assert (found.kind, found.service, found.others) == ("broken-propagation", "web", ("web", "auth"))
    assert found.examples == (first[0].trace_id, last.trace_id)


async def test_a_run_is_read_by_its_ids_and_its_calls_are_answered_by_other_traces() -> None:
    clock = FakeClock(NOW)
    start_ns = NOW_NS - 50 * 10**9
    sent = [request(start_ns + n * 10**8, lost=n == 1) for n in range(4)]
    others = request(start_ns + 5 * 10**8)  # not of the run
    run = RunTraces(
        run_id="r",
        trace_ids=[*(spans[0].trace_id for spans in sent), "f" * 32],
        start_ns=start_ns,
        end_ns=start_ns + 10**9,
    )
    read, checks = reading(clock, Stored(clock, [*(span for spans in sent for span in spans), *others]))
    looked = await read.run(run)
    assert (looked.run_id, looked.missing, checks.looked_at) == ("r", 1, 4)
    (found,) = checks.findings({})
    assert (found.kind, found.count) == ("broken-propagation", 1)
    assert found.evidence.startswith("1 of 4 calls")


async def test_older_traces_than_the_limit_are_told() -> None:
    clock = FakeClock(NOW)
    stored = Stored(clock, [span for n in range(5) for span in request(NOW_NS - (20 + n) * 10**9)])
    read, checks = reading(clock, stored, limit=3)
    looked = await read.window(NOW_NS - 60 * 10**9, NOW_NS)
    assert (checks.looked_at, looked.more) == (3, True)
