"""Calls whose context is lost, and which of the two services lost it: traffic of the sample with generated faults."""

from __future__ import annotations

from itertools import chain

import pytest

from devenv.analysis.callees import NO_CALLEES, Callees
from devenv.analysis.propagation import LEAST, ContextPropagation, suspects
from devenv.analysis.tree import build_tree
from devenv.model.trace import collect
from devenv.testing.sample_traffic import CALLEES, SECOND, START_NS, FaultKind, InjectedFault, Traffic, sample_traffic

FAULT_NS = START_NS + 5 * SECOND


def read(traffic: Traffic, seed: int = 0, callees: Callees = CALLEES) -> ContextPropagation:
    """The newest traces first, as a trace backend returns them."""
    found = ContextPropagation(callees)
    for trace in reversed(collect(chain.from_iterable(sample_traffic(traffic, seed)))):
        found.add(build_tree(trace))
    return found


def lost_in(service: str, kind: FaultKind, share: float = 1.0) -> InjectedFault:
    return InjectedFault(service=service, kind=kind, share=share)


@pytest.mark.parametrize(
    ("service", "kind", "edges"),
    [
        ("gateway", "not sent", {("gateway", "auth"), ("gateway", "user")}),
        ("auth", "not sent", {("auth", "user")}),
        ("auth", "not read", {("gateway", "auth")}),
        ("auth", "neither", {("gateway", "auth"), ("auth", "user")}),
        ("user", "not read", {("auth", "user"), ("gateway", "user")}),
    ],
)
@pytest.mark.parametrize("callees", [CALLEES, NO_CALLEES], ids=["stack", "no stack"])
def test_the_service_that_loses_the_context_is_suspected(
    service: str, kind: FaultKind, edges: set[tuple[str, str]], callees: Callees
) -> None:
    found = read(Traffic(fault=lost_in(service, kind)), callees=callees)
    lost = found.lost()
    assert {(each.caller, each.callee) for each in lost} == edges
    assert suspects(lost, found.kept()) == dict.fromkeys(edges, service)
    for each in lost:
        assert each.lost == each.calls >= 20
        assert each.before >= 20
        assert FAULT_NS <= each.since_ns <= FAULT_NS + SECOND
        assert not set(each.examples) & set(each.continued_in)
    assert sum(each.operation == "GET /session" for each in lost) == (("gateway", "auth") in edges)


@pytest.mark.parametrize("seed", range(20))
def test_healthy_traffic_loses_nothing(seed: int) -> None:
    assert read(Traffic(), seed).lost() == []


def test_one_of_several_instances_is_enough() -> None:
    found = read(Traffic(fault=lost_in("user", "not read", 0.3)))
    lost = found.lost()
    assert suspects(lost, found.kept()) == {("auth", "user"): "user", ("gateway", "user"): "user"}
    assert all(each.lost < each.calls for each in lost)


def test_a_chain_alone_does_not_tell_who_but_a_start_does() -> None:
    found = read(Traffic(overview=0, fault=lost_in("auth", "not read")))
    lost = found.lost()
    assert suspects(lost, found.kept()) == {}
    for service in ("gateway", "auth"):
        assert suspects(lost, found.kept(), {service: [FAULT_NS - SECOND]}) == {("gateway", "auth"): service}
        assert suspects(lost, found.kept(), {service: [FAULT_NS - 600 * SECOND]}) == {}


def test_a_service_without_spans_loses_no_context() -> None:
    found = ContextPropagation(CALLEES)
    for request in sample_traffic(Traffic(fault=lost_in("user", "not read"))):
        for trace in collect(request):
            if trace.spans[0].service != "user":
                found.add(build_tree(trace))
    assert found.lost() == []


@pytest.mark.parametrize(("number", "told"), [(LEAST - 1, 0), (LEAST, 2)])
def test_a_few_calls_are_spans_that_have_not_arrived(number: int, told: int) -> None:
    requests = list(sample_traffic(Traffic(overview=1, fault=lost_in("user", "not read"))))
    before = [request for request in requests if request[0].start_ns < FAULT_NS]
    found = ContextPropagation(CALLEES)
    for trace in collect(chain.from_iterable(requests[: len(before) + number])):
        found.add(build_tree(trace))
    assert len([each for each in found.lost() if each.caller == "auth"]) * 2 == told
