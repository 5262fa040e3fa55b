"""Which span failed first, what failed because of it, and what a retry made good, in traces worked by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from devenv.analysis.failures.error_text import error_text
from devenv.analysis.failures.incident import Failures
from devenv.analysis.failures.propagation import Propagation, find_failures
from devenv.analysis.tree import build_tree
from devenv.model.span import Span, SpanEvent, SpanKind, Status, Value
from devenv.model.trace import collect
from devenv.testing.spans import SpanBuilder

SERVER, CLIENT, INTERNAL, CONSUMER = SpanKind.SERVER, SpanKind.CLIENT, SpanKind.INTERNAL, SpanKind.CONSUMER
BAD, GOOD = Status.ERROR, Status.UNSET

Row = tuple[str, str, int, int | None, int, int, SpanKind, Status]
"""Service, name, ID, ID of the parent, start and duration in ms, kind, status."""


def spans(rows: Sequence[Row], start_ns: int = 10**18) -> list[Span]:
    make = SpanBuilder(start_ns)
    return [
        make.span(name, number, parent, at=at, took=took, service=service, kind=kind, status=status)
        for service, name, number, parent, at, took, kind, status in rows
    ]


def propagation(rows: Sequence[Row]) -> Propagation:
    return find_failures(build_tree(collect(spans(rows))[0]))


def shown(found: Propagation) -> list[tuple[str, list[str]]]:
    return [(failure.span.name, [span.name for span in failure.taken]) for failure in found.failures]


CHAIN: list[Row] = [
    ("gateway", "GET /", 1, None, 0, 100, SERVER, BAD),
    ("gateway", "POST", 2, 1, 10, 80, CLIENT, BAD),
    ("auth", "POST /verify", 3, 2, 20, 60, SERVER, BAD),
    ("auth", "select", 4, 3, 30, 20, INTERNAL, BAD),
]


def test_an_error_takes_the_spans_above_it_along() -> None:
    assert shown(propagation(CHAIN)) == [("select", ["POST /verify", "POST", "GET /"])]


def test_a_span_without_a_status_between_them_does_not_matter() -> None:
    rows = [CHAIN[0], (*CHAIN[1][:7], GOOD), *CHAIN[2:]]
    assert shown(propagation(rows)) == [("select", ["POST /verify", "GET /"])]


def test_a_service_that_answered_without_an_error_is_no_cause() -> None:
    rows = [*CHAIN[:2], (*CHAIN[2][:7], GOOD), CHAIN[3]]
    assert shown(propagation(rows)) == [("select", []), ("POST", ["GET /"])]


def test_what_failed_before_did_not_fail_because_of_it() -> None:
    rows: list[Row] = [
        ("gateway", "GET /", 1, None, 0, 20, SERVER, BAD),
        ("worker", "receive", 2, 1, 10, 200, CONSUMER, BAD),
    ]
    assert shown(propagation(rows)) == [("GET /", []), ("receive", [])]


def test_the_first_of_two_failures_comes_first() -> None:
    rows: list[Row] = [
        ("gateway", "GET /", 1, None, 0, 100, SERVER, BAD),
        ("gateway", "slow", 2, 1, 0, 90, CLIENT, BAD),
        ("gateway", "quick", 3, 1, 5, 20, CLIENT, BAD),
    ]
    assert shown(propagation(rows)) == [("quick", ["GET /"]), ("slow", ["GET /"])]


def retry(last: Status, top: Status, second_at: int = 30) -> Propagation:
    return propagation(
        [
            ("gateway", "GET /", 1, None, 0, 100, SERVER, top),
            ("gateway", "POST", 2, 1, 10, 20, CLIENT, BAD),
            ("auth", "POST /verify", 3, 2, 12, 10, SERVER, BAD),
            ("gateway", "POST", 4, 1, second_at, 20, CLIENT, last),
        ]
    )


def test_an_attempt_that_a_later_one_made_good_is_told_as_a_retry() -> None:
    found = retry(GOOD, GOOD)
    assert found.failures == ()
    assert [(failure.span.name, [span.name for span in failure.taken]) for failure in found.retried] == [
        ("POST /verify", ["POST"])
    ]


def test_a_failure_after_a_retry_that_worked_is_another_one() -> None:
    assert shown(retry(GOOD, BAD)) == [("GET /", [])]


def test_attempts_that_all_failed_are_one_failure_each_with_its_cause() -> None:
    found = retry(BAD, BAD)
    assert shown(found) == [("POST /verify", ["POST", "GET /"]), ("POST", ["GET /"])]
    assert [failure.attempts for failure in found.failures] == [1, 2]


def test_calls_at_the_same_time_are_not_attempts_of_one() -> None:
    found = retry(GOOD, BAD, second_at=15)
    assert shown(found) == [("POST /verify", ["POST", "GET /"])]
    assert found.retried == ()


def test_calls_about_different_things_are_not_attempts_of_one() -> None:
    rows = spans(
        [
            ("shop", "GET /", 1, None, 0, 100, SERVER, BAD),
            ("shop", "SELECT", 2, 1, 10, 20, CLIENT, BAD),
            ("shop", "SELECT", 3, 1, 40, 20, CLIENT, GOOD),
        ]
    )
    texts = {2: "select 1", 3: "select 2"}
    rows = [replace(span, attributes={"db.query.text": texts.get(int(span.span_id, 16), "")}) for span in rows]
    assert shown(find_failures(build_tree(collect(rows)[0]))) == [("SELECT", ["GET /"])]


@pytest.mark.parametrize(
    ("message", "attributes", "events", "text"),
    [
        ("deadline\n exceeded", {"error.type": "x"}, (), "deadline exceeded"),
        ("", {}, (SpanEvent(0, "exception", {"exception.type": "E", "exception.message": "no"}),), "E: no"),
        ("", {"http.response.status_code": 503, "error.type": "503"}, (), "HTTP 503"),
        ("", {"http.response.status_code": 200, "error.type": "timeout"}, (), "timeout"),
        ("", {"rpc.grpc.status_code": 14}, (), "gRPC status 14"),
        ("", {}, (), "error"),
    ],
)
def test_the_text_of_an_error(
    message: str, attributes: dict[str, Value], events: tuple[SpanEvent, ...], text: str
) -> None:
    span = SpanBuilder(10**18).span("x", 1, status=BAD)
    assert error_text(replace(span, status_message=message, attributes=attributes, events=events)) == text


def failures_of(*requests: list[Span], called: str | None = None) -> Failures:
    found = Failures(lambda span: called if span.kind is CLIENT else None)
    for request in requests:
        found.add(build_tree(collect(request)[0]))
    return found


HEALTHY: list[Row] = [(*row[:7], GOOD) for row in CHAIN]


def test_an_incident_has_its_cause_first_and_then_what_it_took_along() -> None:
    before = [spans(HEALTHY, 10**18 + number * 10**9) for number in range(50)]
    after = [spans(CHAIN, 10**18 + number * 10**9) for number in range(50, 60)]
    components = failures_of(*after[::-1], *before).components()
    assert [(part.service, part.operation, part.requests, part.caused_by) for part in components] == [
        ("auth", "select", 10, None),
        ("auth", "POST /verify", 10, 0),
        ("gateway", "GET /", 10, 0),
    ]
    assert components[0].since_ns == 10**18 + 50 * 10**9 + 50 * 10**6
    assert components[0].examples == tuple(request[0].trace_id for request in after[:3])
    assert components[0].share == 1.0


def test_a_rare_error_is_no_incident() -> None:
    one = spans(CHAIN, 10**18)
    others = [spans(HEALTHY, 10**18 + number * 10**9) for number in range(1, 200)]
    assert failures_of(one, *others).components() == []
    assert failures_of(*others).components() == []


def test_a_service_that_does_not_answer_is_named_by_its_callers_spans() -> None:
    components = failures_of(spans(CHAIN[:2]), called="auth").components()
    assert (components[0].service, components[0].operation, components[0].seen_by) == ("auth", "POST", "gateway")
    assert components[1].service == "gateway"


def test_a_component_with_few_failures_does_not_come_first_for_having_been_first() -> None:
    other: list[Row] = [("mail", "send", 1, None, 0, 5, SERVER, BAD)]
    requests = [spans(other, 10**18), *(spans(CHAIN, 10**18 + number * 10**8) for number in range(1, 20))]
    assert [part.service for part in failures_of(*requests).components() if part.caused_by is None] == ["auth", "mail"]
