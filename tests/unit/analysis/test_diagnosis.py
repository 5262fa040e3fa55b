"""The incident in the sample's traffic: which service is named first, for each fault, and none if it is healthy."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import chain

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from devenv.analysis.failures.component import Component
from devenv.analysis.failures.diagnosis import EngineHistory
from devenv.analysis.trace_report import TraceReport
from devenv.model.span import Span, SpanKind, Status
from devenv.model.trace import OWN_SERVICE, REQUEST_KEY, collect
from devenv.testing.sample_traffic import (
    CALLEES,
    SECOND,
    SERVICES,
    START_NS,
    FaultKind,
    InjectedFault,
    Traffic,
    sample_traffic,
)
from devenv.testing.spans import MS

FAULT_NS = START_NS + 5 * SECOND
KILLED = EngineHistory()


def diagnosed(spans: Iterable[Span], history: EngineHistory = KILLED) -> list[Component]:
    """The newest traces first, as a trace backend returns them."""
    report = TraceReport((), CALLEES, frozenset(SERVICES), incident=True)
    report.add_all(reversed(collect(spans)))
    assert report.diagnosis is not None
    return report.diagnosis.components(history)


def fault(service: str, kind: FaultKind, **changes: float) -> InjectedFault:
    return InjectedFault(service=service, kind=kind, **changes)


def history(traffic: Traffic) -> EngineHistory:
    """What an engine says of a crash."""
    if traffic.fault is None or traffic.fault.kind != "crash":
        return EngineHistory()
    at_ns = traffic.start_ns + round(traffic.fault.at_s * SECOND)
    return EngineHistory(crashes={traffic.fault.service: [(at_ns, "exited with 137")]})


FAULTS = [
    (service, kind)
    for service in SERVICES
    for kind in ("latency", "error", "crash", "not sent", "not read", "neither")
    if (service, kind) not in {("user", "not sent"), ("user", "neither"), ("gateway", "not read")}
]
"""User calls no service, and the gateway reads the context of no other one."""


@pytest.mark.parametrize(("service", "kind"), FAULTS)
@settings(max_examples=6, deadline=None, phases=[Phase.generate])
@given(seed=st.integers(0, 10**9), overview=st.sampled_from([0.3, 0.5, 0.8]), at_s=st.floats(2.0, 8.0))
def test_the_service_with_the_fault_is_first(
    service: str, kind: FaultKind, seed: int, overview: float, at_s: float
) -> None:
    traffic = Traffic(overview=overview, fault=fault(service, kind, at_s=at_s))
    found = diagnosed(chain.from_iterable(sample_traffic(traffic, seed)), history(traffic))
    first = found[0]
    expected = kind if kind in ("latency", "error", "crash") else "lost context"
    assert (first.service, first.kind, first.caused_by) == (service, expected, None)
    assert abs(first.since_ns - START_NS - at_s * SECOND) < 1.5 * SECOND
    assert {each.service for each in found if each.caused_by is None} == {service}


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**9),
    overview=st.floats(0, 1),
    sigma=st.floats(0.1, 0.8),
    tail=st.floats(0, 0.03),
    per_second=st.floats(2, 100),
    cold=st.integers(0, 20),
    slow=st.integers(0, 199),
)
def test_healthy_traffic_has_no_incident(
    seed: int, overview: float, sigma: float, tail: float, per_second: float, cold: int, slow: int
) -> None:
    """With jitter, long tails, a cold start of some requests, and one request that takes 2 s."""
    traffic = Traffic(overview=overview, sigma=sigma, tail=tail, per_second=per_second)
    requests = list(sample_traffic(traffic, seed))
    spans = [
        *chain.from_iterable(stretched(request, 15) for request in requests[:cold]),
        *chain.from_iterable(
            stretched(request, 200) if number == slow else request for number, request in enumerate(requests[cold:])
        ),
    ]
    assert diagnosed(spans) == []


def stretched(request: list[Span], factor: int) -> list[Span]:
    """The same spans, all of them slower."""
    start = min(span.start_ns for span in request)

    def later(time_ns: int) -> int:
        return start + (time_ns - start) * factor

    return [replace(span, start_ns=later(span.start_ns), end_ns=later(span.end_ns)) for span in request]


@pytest.mark.parametrize("service", SERVICES)
def test_a_fault_in_some_requests_is_found(service: str) -> None:
    traffic = Traffic(requests=400, fault=fault(service, "latency", share=0.3))
    first = diagnosed(chain.from_iterable(sample_traffic(traffic)))[0]
    assert (first.service, first.kind) == (service, "latency")
    assert 0.2 < first.share < 0.4
    assert first.before_ns < 20 * MS < 100 * MS < first.after_ns


def test_an_operation_that_waits_is_a_consequence() -> None:
    traffic = Traffic(fault=fault("user", "latency"))
    first, *others = diagnosed(chain.from_iterable(sample_traffic(traffic)))
    assert (first.service, first.operation) == ("user", "GET /users/{id}")
    assert ("gateway", "GET /api/profile") in {(each.service, each.operation) for each in others}
    assert "auth" in {each.service for each in others}
    assert {each.kind for each in others} == {"latency"}
    assert {each.service for each in others if each.caused_by is None} <= {"user"}
    assert len(first.examples) == 3


def edited(traffic: Traffic, change: Callable[[Span], Span | None]) -> list[Span]:
    changed = (change(span) for request in sample_traffic(traffic) for span in request)
    return [span for span in changed if span is not None]


def test_a_call_that_waits_too_long_failed_because_of_the_slow_service() -> None:
    def time_out(span: Span) -> Span:
        if span.service == "auth" and span.kind is SpanKind.CLIENT and span.duration_ns > 60 * MS:
            return replace(span, end_ns=span.start_ns + 60 * MS, status=Status.ERROR, status_message="ReadTimeout")
        if span.service in ("auth", "gateway") and span.duration_ns > 60 * MS:
            return replace(span, status=Status.ERROR, status_message="HTTP 504")
        return span

    found = diagnosed(edited(Traffic(overview=0, fault=fault("user", "latency")), time_out))
    assert (found[0].service, found[0].kind) == ("user", "latency")
    assert ("auth", "GET", "ReadTimeout", 0) in {(e.service, e.operation, e.error, e.caused_by) for e in found}


def test_time_between_a_call_and_the_called_service_is_that_of_the_called_service() -> None:
    def queue(span: Span) -> Span:
        late = span.start_ns >= FAULT_NS and span.service == "user"
        return replace(span, start_ns=span.end_ns - MS // 10) if late else span

    traffic = Traffic(fault=fault("user", "latency"))
    first = diagnosed(edited(traffic, queue))[0]
    assert (first.service, first.kind) == ("user", "latency")
    assert first.seen_by in ("auth", "gateway")


def test_a_crash_is_known_without_the_engine_from_the_callers() -> None:
    found = diagnosed(chain.from_iterable(sample_traffic(Traffic(fault=fault("user", "crash")))))
    assert (found[0].service, found[0].kind, found[0].error) == ("user", "crash", "ConnectionRefusedError")
    assert found[0].seen_by in ("auth", "gateway")


def test_an_exit_before_the_first_span_and_one_of_a_service_without_spans_is_no_incident() -> None:
    spans = list(chain.from_iterable(sample_traffic(Traffic())))
    early = EngineHistory(crashes={"user": [(START_NS - SECOND, "exited with 1")], "job": [(FAULT_NS, "exited")]})
    assert diagnosed(spans, early) == []


def test_failures_near_an_exit_are_a_crash_even_if_the_service_answered_only_afterwards() -> None:
    spans = loaded(Traffic())
    first = min(span.start_ns for span in spans)
    spans += [own_root(f"{n:032x}", first - n * 50 * MS, first - n * 50 * MS + MS, 0) for n in range(1, 20)]
    exits = EngineHistory(crashes={"gateway": [(first - 20 * 50 * MS, "exited with 137")]})
    (found,) = diagnosed(spans, exits)
    assert (found.service, found.kind, found.requests) == ("gateway", "crash", 19)


def loaded(traffic: Traffic, seed: int = 0) -> list[Span]:
    """The traffic with the load generator's root spans, which it also sends if the gateway does not respond."""
    spans = []
    for request in sample_traffic(traffic, seed):
        root = next(span for span in request if span.service == "gateway" and span.parent_id is None)
        spans += [replace(span, parent_id="f" * 16) if span is root else span for span in request]
        spans.append(own_root(root.trace_id, root.start_ns, root.end_ns, 200))
    return spans


def own_root(trace_id: str, start_ns: int, end_ns: int, status: int) -> Span:
    return Span(
        trace_id=trace_id,
        span_id="f" * 16,
        parent_id=None,
        service=OWN_SERVICE,
        name="load profile",
        kind=SpanKind.INTERNAL,
        start_ns=start_ns,
        end_ns=end_ns,
        status=Status.UNSET if status else Status.ERROR,
        status_message="" if status else "refused",
        attributes={REQUEST_KEY: trace_id, **({"http.response.status_code": status} if status else {})},
    )


def test_an_entry_that_does_not_respond_is_known_from_the_load_generator() -> None:
    spans = loaded(Traffic(fault=fault("gateway", "crash")))
    last = max(span.end_ns for span in spans)
    spans += [own_root(f"{n:032x}", last + n * 50 * MS, last + n * 50 * MS + MS, 0) for n in range(1, 60)]
    (found,) = diagnosed(spans)
    assert (found.service, found.kind, found.error, found.seen_by) == ("gateway", "crash", "refused", OWN_SERVICE)
    assert (found.requests, found.share) == (59, 1.0)


def test_an_entry_that_does_not_read_the_context_is_known_from_the_load_generator() -> None:
    traffic = Traffic()
    spans = [
        replace(span, trace_id="a" + span.trace_id[1:])
        if span.service == OWN_SERVICE and span.start_ns >= FAULT_NS
        else replace(span, parent_id=None)
        if span.parent_id == "f" * 16 and span.start_ns >= FAULT_NS
        else span
        for span in loaded(traffic)
    ]
    (found,) = diagnosed(spans)
    assert (found.service, found.kind) == ("gateway", "lost context")
    assert found.error == "no longer continues traces of devenv"
