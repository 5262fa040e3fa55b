"""The Instrumentation Score: its formula, and each rule kept and broken."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devenv.analysis.checks.findings.matching import Interval, match_times
from devenv.analysis.checks.observed import look_at
from devenv.analysis.checks.score.published import RULES, WEIGHTS, score
from devenv.analysis.checks.score.scores import Scores
from devenv.model.span import Span, SpanKind
from devenv.model.trace import collect
from devenv.testing.spans import MS, SpanBuilder

RESOURCE = {"service.name": "web", "service.instance.id": "a"}
IDS = [rule.id for rule in RULES]


def verdicts(*spans: Span) -> dict[str, bool | None]:
    scores = Scores()
    for trace in collect(spans):
        scores.add(look_at(trace))
    (found,) = [each for each in scores.scores() if each.service == "web"]
    return {verdict.rule.id: verdict.ok for verdict in found.rules}


def span(number: int = 1, parent: int | None = None, *, make: SpanBuilder | None = None, **fields: Any) -> Span:
    found = (make or SpanBuilder(10**18)).span("op", number, parent, kind=SpanKind.SERVER)
    return replace(found, **{"resource": RESOURCE} | fields)


def many(count: int, **fields: Any) -> list[Span]:
    make = SpanBuilder(10**18)
    return [span(make=make), *(span(number, 1, make=make, **fields) for number in range(2, count + 2))]


@given(st.dictionaries(st.sampled_from(IDS), st.booleans()))
def test_the_score_is_the_published_formula(found: dict[str, bool]) -> None:
    passed = {impact: sum(kept for rule, kept in found.items() if _impact(rule) == impact) for impact in WEIGHTS}
    total = {impact: sum(_impact(rule) == impact for rule in found) for impact in WEIGHTS}
    below = sum(total[impact] * weight for impact, weight in WEIGHTS.items())
    above = sum(passed[impact] * weight for impact, weight in WEIGHTS.items())
    assert score(found) == (pytest.approx(100 * above / below) if below else None)


def _impact(rule_id: str) -> str:
    return next(rule.impact for rule in RULES if rule.id == rule_id)


def test_all_published_rules_are_there_once() -> None:
    assert len(set(IDS)) == len(IDS) == 19
    assert sum(WEIGHTS.values()) == 100


@pytest.mark.parametrize(
    ("rule", "kept", "broken"),
    [
        ("RES-001", [span()], [span(resource={"service.name": "web"})]),
        ("RES-003", [span(resource=RESOURCE | {"k8s.pod.name": "p", "k8s.pod.uid": "u"})],
         [span(resource=RESOURCE | {"k8s.pod.name": "p"})]),
        ("RES-004", [span()], [span(attributes={"service.name": "web"})]),
        ("RES-004", [span()], [span(resource=RESOURCE | {"http.request.method": "GET"})]),
        ("SPA-001", many(10, kind=SpanKind.INTERNAL), many(11, kind=SpanKind.INTERNAL)),
        ("SPA-002", many(1), [span(2, 1)]),
        ("SPA-004", [span()], [span(kind=SpanKind.CLIENT)]),
        ("SPA-005", many(20, end_ns=10**18 + 5 * MS - 1), many(21, end_ns=10**18 + 5 * MS - 1)),
        ("SPA-005", many(21, end_ns=10**18 + 5 * MS), many(21, end_ns=10**18)),
    ],
)  # fmt: skip
def test_a_rule_is_kept_and_broken(rule: str, kept: list[Span], broken: list[Span]) -> None:
    assert verdicts(*kept)[rule] is True
    assert verdicts(*broken)[rule] is False


def test_a_service_without_a_name_breaks_its_rule() -> None:
    scores = Scores()
    scores.add(look_at(collect([span(service="missing-service-name", resource={})])[0]))
    assert {each.rule.id: each.ok for each in scores.scores()[0].rules}["RES-005"] is False


def test_an_instance_id_is_unique_if_processes_follow_each_other() -> None:
    one, other = RESOURCE | {"process.pid": 1}, RESOURCE | {"process.pid": 2}
    later = {"start_ns": 10**18 + 50 * MS, "end_ns": 10**18 + 60 * MS}
    assert verdicts(span(resource=one), span(resource=other, **later))["RES-002"] is True
    assert verdicts(span(resource=one), span(resource=other))["RES-002"] is False
    pods = [RESOURCE | {"k8s.pod.name": name} for name in ("payment-abc123", "payment-def456")]
    assert verdicts(span(resource=pods[0]), span(resource=pods[1], **later))["RES-002"] is False


@pytest.mark.parametrize(
    ("sdk", "runtime", "ok"),
    [("1.45.1", "3.9.2", True), ("1.45.1", "3.8.10", False), ("1.22.0", "3.8.10", True), ("1.45.1", None, None)],
)
def test_the_runtime_is_what_the_sdk_supports(sdk: str, runtime: str | None, ok: bool | None) -> None:
    found = RESOURCE | {
        "telemetry.sdk.name": "opentelemetry",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.version": sdk,
        "process.runtime.name": "cpython",
        **({"process.runtime.version": runtime} if runtime else {}),
    }
    assert verdicts(span(resource=found))["SDK-001"] is ok


TIMES = st.integers(0, 12)


@given(st.lists(st.tuples(TIMES, TIMES), max_size=6), st.lists(TIMES, max_size=6), st.integers(0, 2))
def test_as_many_requests_as_possible_get_a_call(rows: list[tuple[int, int]], starts: list[int], slack: int) -> None:
    calls = [Interval(start, start + took) for start, took in rows]

    def fits(call: Interval, time: int) -> bool:
        return call.start_ns - slack <= time <= call.end_ns + slack

    def best(number: int, free: frozenset[int]) -> int:
        if number == len(starts):
            return 0
        taken = (1 + best(number + 1, free - {call}) for call in free if fits(calls[call], starts[number]))
        return max([best(number + 1, free), *taken])

    found = match_times(calls, starts, slack)
    assert all(fits(calls[call], starts[request]) for call, request in found)
    assert len({call for call, _ in found}) == len({request for _, request in found}) == len(found)
    assert len(found) == best(0, frozenset(range(len(calls))))
