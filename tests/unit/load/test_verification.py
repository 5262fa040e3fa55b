"""Verification against a fake trace backend, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pytest

from devenv.analysis.completeness import Expectation
from devenv.errors import BackendUnavailable
from devenv.load.rows import ROW
from devenv.load.verify import accounting
from devenv.load.verify.accounting import NOTHING, choose, make_account
from devenv.load.verify.sent_request import Sent
from devenv.load.verify.verification import Patience, Verification, Verifier
from devenv.model.run import RequestError, RowFlag
from devenv.model.span import Span, SpanKind
from devenv.model.trace import TRACE_CLASSES, Trace, collect
from devenv.testing.fake_clock import FakeClock
from devenv.traces.query import Query


class Backend:
    """Stands in for the trace client: traces appear when ``arrivals`` says, in seconds of the clock."""

    def __init__(self, clock: FakeClock, *, embedded: bool = False, let_go: Iterable[str] = ()) -> None:
        self.clock = clock
        self.arrivals: dict[str, list[tuple[float, Span]]] = {}
        self.embedded = embedded
        self.let_go = frozenset(let_go)
        self.looks: list[tuple[float, int]] = []
        self.looked = asyncio.Event()
        self.down = (0.0, 0.0)
        self.others: list[Trace] = []

    def put(self, number: int, services: Sequence[str], *, at: float = 0.0, root: bool = True) -> None:
        trace_id = identity(number)
        spans = [span(trace_id, "root", None, "devenv")] if root else []
        spans += [
            span(trace_id, service, ["root", *services][position], service) for position, service in enumerate(services)
        ]
        self.arrivals.setdefault(trace_id, []).extend((at, each) for each in spans)

    async def reports_evictions(self) -> bool:
        return self.embedded

    async def services(self) -> list[str]:
        return sorted({each.service for arrived in self.arrivals.values() for _, each in arrived})

    async def traces(self, trace_ids: Iterable[str]) -> dict[str, Trace]:
        now = self.clock.monotonic()
        if self.down[0] <= now < self.down[1]:
            raise BackendUnavailable("it is down")
        wanted = list(trace_ids)
        self.looks.append((round(now, 6), len(wanted)))
        self.looked.set()
        spans = [each for wanted_id in wanted for at, each in self.arrivals.get(wanted_id, ()) if at <= now]
        return {trace.trace_id: trace for trace in collect(spans)}

    async def find(self, query: Query) -> list[Trace]:
        return [trace for trace in self.others if query.service in trace.services and not query.tags]

    async def evicted(self, trace_ids: Sequence[str]) -> frozenset[str]:
        return self.let_go & set(trace_ids)


def identity(number: int) -> str:
    return f"{number:032x}"


def span(trace_id: str, span_id: str, parent: str | None, service: str) -> Span:
    return Span(trace_id=trace_id, span_id=span_id, parent_id=parent, service=service, name="op", start_ns=1, end_ns=2)


def sent(count: int, **fields: Any) -> list[Sent]:
    return [Sent(number=number, trace_id=identity(number), start_ns=0, end_ns=1, **fields) for number in range(count)]


async def verify(
    backend: Backend,
    requests: Sequence[Sent],
    *,
    services: Sequence[str] = ("a", "b"),
    hurried: Callable[[], bool] = lambda: False,
    roots_taken: bool = True,
    **fields: Any,
) -> Verification:
    verifier = Verifier(
        backend,  # type: ignore[arg-type]
        Expectation(services=frozenset(services)),
        clock=backend.clock,
        sink=lambda event: None,
        patience=Patience(),
        hurried=hurried,
        **fields,
    )
    return await verifier.verify(requests, roots_taken=roots_taken)


async def test_it_ends_at_once_when_everything_is_there() -> None:
    backend = Backend(FakeClock())
    for number in range(3):
        backend.put(number, ["a", "b"])
    found = await verify(backend, sent(3))
    assert found.classes == dict.fromkeys(range(3), "complete")
    assert not found.causes
    assert backend.looks == [(0.0, 3)]


async def test_a_service_that_fell_silent_is_told_from_one_that_loses_the_context() -> None:
    """`b` has no span in any request, and its newest one in another trace is of second 10."""
    second = 10**9
    backend = Backend(FakeClock())
    requests = []
    for number, start in enumerate((5 * second, 20 * second)):
        ids = {"trace_id": identity(number), "name": "op", "start_ns": start, "end_ns": start + 1}
        called = {"server.address": "b"}
        backend.arrivals[identity(number)] = [
            (0.0, Span(**ids, span_id="root", service="devenv")),
            (0.0, Span(**ids, span_id="a", parent_id="root", service="a", kind=SpanKind.CLIENT, attributes=called)),
        ]
        requests.append(Sent(number=number, trace_id=identity(number), start_ns=start, end_ns=start + 1))
    last = Span(trace_id="f" * 32, span_id="b", service="b", name="op", start_ns=10 * second, end_ns=10 * second + 1)
    backend.arrivals["f" * 32] = [(0.0, last)]
    backend.others = collect([last])
    found = await verify(backend, requests)
    assert [cause.partition(",")[0].partition(":")[0] for _, cause in found.causes] == [
        "propagation broken between a and b",
        "a called b",
    ]


async def test_only_what_is_pending_is_asked_for_again() -> None:
    backend = Backend(FakeClock())
    backend.put(0, ["a", "b"])
    backend.put(1, ["a", "b"], at=1.0)
    found = await verify(backend, sent(2))
    assert set(found.classes.values()) == {"complete"}
    assert backend.looks[0] == (0.0, 2)
    assert {count for _, count in backend.looks[1:]} == {1}


async def test_what_is_there_at_the_settling_time_is_complete_and_later_late() -> None:
    backend = Backend(FakeClock())
    backend.put(0, ["a", "b"], at=5.0)
    backend.put(1, ["a", "b"], at=5.1)
    found = await verify(backend, sent(2))
    assert found.classes == {0: "complete", 1: "late"}
    assert 5.0 in [moment for moment, _ in backend.looks]


async def test_what_comes_until_the_deadline_is_late_and_then_it_is_over() -> None:
    backend = Backend(FakeClock())
    backend.put(0, ["a", "b"], at=30.0)
    backend.put(1, ["a", "b"], at=30.5)
    found = await verify(backend, sent(2))
    assert found.classes == {0: "late", 1: "absent"}
    assert backend.clock.monotonic() == pytest.approx(30.0)


async def test_a_trace_that_grows_is_complete_when_its_last_span_is_there() -> None:
    backend = Backend(FakeClock())
    backend.put(0, ["a"])
    backend.arrivals[identity(0)].append((2.0, span(identity(0), "b", "a", "b")))
    assert (await verify(backend, sent(1))).classes == {0: "complete"}


async def test_requests_that_never_arrived_are_not_waited_for() -> None:
    backend = Backend(FakeClock())
    found = await verify(backend, sent(2, error=RequestError.REFUSED))
    assert set(found.classes.values()) == {"absent"}
    assert backend.clock.monotonic() == 0.0
    assert list(found.causes) == [("absent", "no connection to the entry point (refused)")]


async def test_requests_that_failed_are_waited_for_until_the_settling_time() -> None:
    backend = Backend(FakeClock())
    backend.put(0, ["a"])
    found = await verify(backend, sent(1, error=RequestError.STATUS, status=503))
    assert found.classes == {0: "partial"}
    assert backend.clock.monotonic() == pytest.approx(5.0)
    ((_, cause),) = found.causes
    assert cause.startswith("the request failed (http_503): ")


async def test_interrupted_it_waits_no_longer_than_the_settling_time() -> None:
    backend = Backend(FakeClock())
    await verify(backend, sent(1), hurried=lambda: True)
    assert backend.clock.monotonic() == pytest.approx(5.0)


async def test_services_are_learnt_from_the_majority() -> None:
    backend = Backend(FakeClock())
    for number in range(9):
        backend.put(number, ["a", "b"], at=0.05)
    backend.put(9, ["a"])
    found = await verify(backend, sent(10), services=())
    assert found.classes == dict.fromkeys(range(9), "complete") | {9: "partial"}


async def test_the_embedded_backend_says_what_it_let_go() -> None:
    backend = Backend(FakeClock(), embedded=True, let_go=[identity(number) for number in (1, 3, 4)])
    backend.put(0, ["a", "b"])
    backend.put(3, [])  # its root span came after it had been evicted
    backend.put(4, ["a"])
    found = await verify(backend, sent(5))
    assert found.classes == {0: "complete", 1: "evicted", 2: "absent", 3: "evicted", 4: "evicted"}


@pytest.mark.parametrize(("roots_taken", "trace_class"), [(True, "evicted"), (False, "absent")])
async def test_eviction_is_inferred_only_where_the_backend_had_taken_the_roots(
    roots_taken: bool, trace_class: str
) -> None:
    backend = Backend(FakeClock())
    for number in range(12, 20):
        backend.put(number, ["a", "b"])
    found = await verify(backend, sent(20), roots_taken=roots_taken)
    assert [found.classes[number] for number in (0, 11, 12)] == [trace_class, trace_class, "complete"]


async def test_a_trace_whose_root_is_there_was_not_evicted() -> None:
    backend = Backend(FakeClock())
    for number in range(20):
        backend.put(number, ["a", "b"] if number >= 12 else [])
    found = await verify(backend, sent(20))
    assert found.classes[0] == "absent"


async def test_a_backend_that_is_away_for_a_while_is_asked_again() -> None:
    backend = Backend(FakeClock())
    backend.down = (0.0, 3.0)
    backend.put(0, ["a", "b"])
    found = await verify(backend, sent(1))
    assert (found.classes, found.failure) == ({0: "complete"}, "")


async def test_what_could_not_be_looked_up_is_not_called_absent() -> None:
    backend = Backend(FakeClock())
    backend.down = (0.05, 1e9)
    backend.put(0, ["a", "b"])
    found = await verify(backend, sent(2))
    assert (found.classes, found.failure) == ({0: "complete"}, "it is down")


async def test_a_backend_that_stays_away_is_not_waited_for_until_the_deadline() -> None:
    backend = Backend(FakeClock())
    backend.down = (0.0, 1e9)
    found = await verify(backend, sent(2))
    assert (found.classes, found.failure) == ({}, "it is down")
    assert backend.clock.monotonic() < 7.0


async def test_a_backend_of_a_removed_project_is_not_waited_for_at_all() -> None:
    backend = Backend(FakeClock())
    backend.down = (0.0, 1e9)
    found = await verify(backend, sent(2), gone=lambda: True)
    assert (found.classes, found.failure) == ({}, "it is down")
    assert backend.clock.monotonic() == 0.0


async def test_a_stack_that_sends_no_spans_at_all_is_waited_for_no_longer_than_a_batch_takes() -> None:
    backend = Backend(FakeClock())
    for number in range(2):
        backend.put(number, [])
    found = await verify(backend, sent(2), services=())
    assert found.classes == {0: "absent", 1: "absent"}
    assert backend.clock.monotonic() < 11.0


async def test_the_duration_of_the_run_counts_as_waiting_for_its_first_spans() -> None:
    backend = Backend(FakeClock())
    requests = [
        Sent(number=number, trace_id=identity(number), start_ns=number * 10**9, end_ns=number * 10**9)
        for number in range(11)
    ]
    for number in range(11):
        backend.put(number, [])
    found = await verify(backend, requests, services=())
    assert set(found.classes.values()) == {"absent"}
    assert backend.clock.monotonic() < 0.2


async def test_a_service_whose_first_batch_comes_after_five_seconds_is_still_seen() -> None:
    backend = Backend(FakeClock())
    backend.put(0, ["a", "b"], at=5.5)
    backend.services = lambda: real(backend)  # type: ignore[method-assign]
    found = await verify(backend, sent(1))
    assert found.classes == {0: "late"}


async def real(backend: Backend) -> list[str]:
    """The services whose spans have arrived."""
    now = backend.clock.monotonic()
    return sorted({each.service for found in backend.arrivals.values() for at, each in found if at <= now})


async def test_cancelling_passes_through() -> None:
    backend = Backend(FakeClock(auto=False))
    task = asyncio.ensure_future(verify(backend, sent(1)))
    await backend.looked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def rows(count: int, unsampled: Iterable[int] = ()) -> Any:
    made = np.zeros(count, dtype=ROW)
    made["number"] = np.arange(count)
    made["flags"] = RowFlag.SAMPLED
    made["flags"][list(unsampled)] = 0
    made["trace_id"] = [number.to_bytes(16, "big") for number in range(count)]
    return made


def names(made: Any) -> list[str]:
    return [TRACE_CLASSES[index] for index in made["trace_class"]]


def test_large_runs_verify_an_even_sample_from_first_to_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounting, "MOST_VERIFIED", 5)
    chosen = choose(rows(101), 1000, everything=False)
    assert [each.number for each in chosen.requests] == [0, 25, 50, 75, 100]
    assert chosen.left_out == 96
    assert chosen.requests[1].trace_id == identity(25)
    assert len(choose(rows(101), 0, everything=True).requests) == 101


def test_every_row_ends_in_one_class() -> None:
    made = rows(5, unsampled=[1])
    assert [each.number for each in choose(made, 0, everything=False).requests] == [0, 2, 3, 4]
    found = Verification()
    requests = sent(5)
    found.add(requests[0], "complete")
    found.add(requests[3], "partial", "why")
    found.add(requests[4], "partial", "why")
    account = make_account(found)
    account.apply(made)
    assert names(made) == ["complete", "unsampled", "unverified", "partial", "partial"]
    assert [(each.trace_class, each.count, each.cause, each.example) for each in account.causes] == [
        ("partial", 2, "why", identity(3))
    ]


def test_without_verification_rows_are_unverified_or_unsampled() -> None:
    made = rows(2, unsampled=[0])
    NOTHING.apply(made)
    assert names(made) == ["unsampled", "unverified"]
