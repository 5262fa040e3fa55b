"""The checks on traces of gateway, auth and user: healthy, and with one fault each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from devenv.analysis.callees import Callees
from devenv.analysis.checks.checks import KnownStack, TraceChecks
from devenv.analysis.checks.finding import TracingFinding
from devenv.model.span import Span, SpanKind
from devenv.model.trace import Trace, collect
from devenv.testing.spans import MS, SpanBuilder

NAMES = ("gateway", "auth", "user")
AROUND = KnownStack(
    callees=Callees(hosts={name: name for name in NAMES}), traced=frozenset(NAMES), entrypoint="gateway"
)
REQUESTS = 12
GATEWAY, TO_AUTH, AUTH, TO_USER, USER = range(1, 6)
START_NS = 1_700_000_000_000_000_000


def resource(service: str) -> dict[str, Any]:
    return {
        "service.name": service,
        "service.instance.id": f"{service}-1",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": "opentelemetry",
        "telemetry.sdk.version": "1.45.1",
        "process.runtime.name": "cpython",
        "process.runtime.version": "3.11.7",
    }


def request(number: int = 0) -> list[Span]:
    """One request through all three services; span IDs are GATEWAY to USER."""
    make = SpanBuilder(START_NS + number * 20 * MS)
    called = {"http.request.method": "GET", "http.response.status_code": 200}
    rows: list[tuple[Span, dict[str, Any]]] = [
        (make.span("GET /a", GATEWAY, took=18, service="gateway", kind=SpanKind.SERVER), {"http.route": "/a"}),
        (
            make.span("GET", TO_AUTH, GATEWAY, at=1, took=15, service="gateway", kind=SpanKind.CLIENT),
            called | {"server.address": "auth"},
        ),
        (make.span("GET /b", AUTH, TO_AUTH, at=2, took=12, service="auth", kind=SpanKind.SERVER), {}),
        (
            make.span("GET", TO_USER, AUTH, at=3, took=10, service="auth", kind=SpanKind.CLIENT),
            called | {"server.address": "user"},
        ),
        (make.span("GET /c", USER, TO_USER, at=4, took=6, service="user", kind=SpanKind.SERVER), {}),
    ]
    return [replace(span, attributes=attributes, resource=resource(span.service)) for span, attributes in rows]


def without_header(spans: list[Span], first: int, **fields: Any) -> list[Span]:
    """The span of that number and those after it are in their own trace."""
    fields = {"trace_id": SpanBuilder(0).trace_id, "parent_id": None} | fields
    head = {index: fields if index == first else {"trace_id": fields["trace_id"]} for index in range(first, USER + 1)}
    return [replace(span, **head.get(int(span.span_id, 16), {})) for span in spans]


def changed(spans: list[Span], number: int, **fields: Any) -> list[Span]:
    return [replace(span, **fields) if int(span.span_id, 16) == number else span for span in spans]


def checked(requests: Iterable[list[Span]]) -> TraceChecks:
    checks = TraceChecks(AROUND)
    checks.add_all([trace for spans in requests for trace in collect(spans)])
    return checks


def findings(requests: Iterable[list[Span]], silent: Mapping[str, str] | None = None) -> list[TracingFinding]:
    return checked(requests).findings(silent or {})


def rules(requests: Iterable[list[Span]], service: str) -> dict[str, bool | None]:
    (score,) = [each for each in checked(requests).scores() if each.service == service]
    return {verdict.rule.id: verdict.ok for verdict in score.rules}


def test_a_healthy_system_has_no_finding_and_the_full_score() -> None:
    checks = checked(request(number) for number in range(REQUESTS))
    assert checks.findings({}) == []
    assert {score.service: score.score for score in checks.scores()} == dict.fromkeys(NAMES, 100.0)
    for score in checks.scores():
        assert [each.rule.id for each in score.rules if each.ok] == [
            *("RES-001", "RES-002", "RES-004", "RES-005", "SPA-001", "SPA-002", "SPA-004", "SPA-005", "SDK-001"),
        ]
        assert all(each.reason for each in score.rules if each.ok is None)


@pytest.mark.parametrize(("first", "caller", "called"), [(AUTH, "gateway", "auth"), (USER, "auth", "user")])
def test_a_lost_header_is_told_between_which_services(first: int, caller: str, called: str) -> None:
    sent = [without_header(request(n), first) if n % 3 == 0 else request(n) for n in range(REQUESTS)]
    (found,) = findings(sent)
    assert (found.kind, found.service, found.others) == ("broken-propagation", caller, (caller, called))
    assert found.evidence == f"4 of 12 calls: 4 server spans of {called} begin new traces"
    assert found.examples[:2] == (sent[0][0].trace_id, sent[0][first - 1].trace_id)


def test_a_header_that_the_entry_point_does_not_read_is_told() -> None:
    root = SpanBuilder(START_NS).span("load", 9, took=20, service="devenv")
    root = replace(root, attributes={"http.response.status_code": 200, "url.path": "/a"})
    (found,) = findings([[root], request()])
    assert (found.kind, found.service, found.others) == ("broken-propagation", "gateway", ("devenv", "gateway"))


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"http.request.header.traceparent": ["00-a-b-01", "00-c-d-01"]}, "2 traceparent headers arrived"),
        ({"http.request.header.b3": ["a-b-1"]}, "only B3 headers arrived"),
        ({"http.request.header.x-b3-traceid": ["a"]}, "only B3 headers arrived"),
        ({"http.request.header.traceparent": ["00-" + "a" * 16 + "-" + "b" * 16 + "-01"]}, "arrived is truncated"),
        ({"http.request.header.traceparent": ["nonsense"]}, "arrived is not valid"),
    ],
)
def test_captured_headers_tell_why(attributes: dict[str, Any], said: str) -> None:
    (found,) = findings([changed(without_header(request(), AUTH), AUTH, attributes=attributes)])
    assert said in found.evidence


def test_truncated_trace_ids_are_told() -> None:
    spans = request()
    (found,) = findings(
        [without_header(spans, AUTH, trace_id="0" * 16 + spans[0].trace_id[16:], parent_id=f"{2:016x}")]
    )
    assert (found.kind, found.service) == ("broken-propagation", "gateway")
    assert "with only 64 bits" in found.evidence


def test_different_propagators_are_told() -> None:
    checks = TraceChecks(replace(AROUND, propagators={"gateway": "b3multi"}))
    checks.add_all(collect(without_header(request(), AUTH)))
    (found,) = checks.findings({})
    assert "gateway sends b3multi and auth reads tracecontext,baggage" in found.evidence


def test_lost_spans_are_told_of_the_service_that_lost_them() -> None:
    called = [[span for span in request(n) if n % 3 or int(span.span_id, 16) != USER] for n in range(REQUESTS)]
    (found,) = findings(called)
    assert (found.kind, found.service) == ("exporter-drops", "user")
    assert found.evidence == "4 of 12 calls of auth to it have no span of it"
    parents = [[span for span in request(n) if n % 3 or int(span.span_id, 16) != TO_USER] for n in range(REQUESTS)]
    (found,) = findings(parents)
    assert (found.kind, found.service) == ("exporter-drops", "auth")
    assert "4 spans in 4 traces have parents that never arrived, such as user GET /c" in found.evidence
    assert rules(parents, "user")["SPA-002"] is False


def test_a_service_that_never_sends_spans_is_told_with_the_calls_to_it() -> None:
    sent = [request(n)[:TO_USER] for n in range(REQUESTS)]
    (found,) = findings(sent, {"user": "exports to http://localhost:9999 (wrong endpoint)"})
    assert (found.kind, found.service, found.severity) == ("no-spans", "user", "bad")
    assert found.evidence.startswith("auth called it and got 12 answers, but no span of it arrived; it exports to ")


def test_calls_that_got_no_response_are_not_lost_spans() -> None:
    sent = changed(request()[:TO_USER], TO_USER, attributes={"server.address": "user", "url.path": "/health"})
    assert findings([*(request(n) for n in range(1, 4)), sent]) == []


def test_values_in_span_names_are_told_from_ten_names_on() -> None:
    sent = [changed(request(n), USER, name=f"GET /orders/{n}") for n in range(10)]
    assert findings(sent[:9]) == []
    (found,) = findings(sent)
    assert (found.kind, found.service, found.count) == ("span-names", "user", 10)
    assert "'GET /orders/{id}' (10)" in found.evidence


@pytest.mark.parametrize(
    ("attributes", "place"),
    [
        ({"db.password": "hunter2"}, "db.password"),
        ({"url.full": "http://a/?access_token=hunter2"}, "url.full"),
        ({"callback": "https://me:hunter2@example.test/"}, "callback"),
        ({"note": "ghp_" + "a" * 36}, "note"),
    ],
)
def test_secrets_are_told_without_the_secret(attributes: dict[str, Any], place: str) -> None:
    (found,) = findings([changed(request(), USER, attributes=attributes)])
    assert (found.kind, found.severity) == ("sensitive-data", "bad")
    assert place in found.evidence
    assert not any(value in str(found) for value in attributes.values())


def test_what_was_redacted_is_not_a_secret() -> None:
    attributes = {"db.password": "[REDACTED]", "url.full": "http://a/?token=[REDACTED]", "token": "", "api_key": "***"}
    assert findings([changed(request(), USER, attributes=attributes)]) == []


def test_clocks_that_differ_are_told() -> None:
    early = START_NS - 40 * MS
    (found,) = findings([changed(request(), USER, start_ns=early, end_ns=early + MS)])
    assert (found.kind, found.title) == ("clock-skew", "The clock of user is behind that of auth")
    assert findings([changed(request(), USER, start_ns=START_NS + MS)]) == []  # 2 ms early
    (found,) = findings([changed(request(), USER, end_ns=START_NS)])
    assert found.title == "Spans of user have wrong times"


def test_missing_resource_attributes_break_the_rule_and_are_told() -> None:
    fields = {key: value for key, value in resource("user").items() if key != "service.instance.id"}
    sent = [changed(request(), USER, resource=fields)]
    (found,) = findings(sent)
    assert (found.kind, found.evidence) == ("resource-attributes", "service.instance.id in 1 trace")
    assert rules(sent, "user")["RES-001"] is False


def test_old_conventions_are_told_unless_the_new_ones_are_there_too() -> None:
    (found,) = findings([changed(request(), USER, attributes={"http.method": "GET", "db.statement": "SELECT 1"})])
    assert (found.kind, found.severity) == ("old-conventions", "warn")
    assert "db.statement (now db.query.text), http.method (now http.request.method)" in found.evidence
    both = {"http.method": "GET", "http.request.method": "GET"}
    assert findings([changed(request(), USER, attributes=both)]) == []


def test_traces_that_may_grow_are_put_aside() -> None:
    checks = TraceChecks(AROUND)
    spans = request()[:TO_USER]
    trace: Trace = collect(spans)[0]
    assert checks.add_all([trace], settled_ns=trace.end_ns) == {trace.trace_id}
    assert checks.looked_at == 0
    assert checks.add_all([trace], settled_ns=trace.end_ns + 1) == set()
    assert checks.add_all(collect(request(1)), settled_ns=0) == set()
    assert checks.looked_at == 2
