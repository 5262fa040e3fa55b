"""The sample's services as processes: what a request through all of them leaves in the trace backend."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from otlp_receiver import OtlpReceiver, ReceivedSpan
from sample_processes import SampleProcesses, running_sample

KEY = {"x-api-key": "devenv-demo-key"}
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"

Running = tuple[SampleProcesses, OtlpReceiver]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_sample(tmp_path_factory.mktemp("sample")) as running:
        yield running


def outline(spans: list[ReceivedSpan], parent: str = "") -> list[tuple[str, str, list]]:
    """The tree below a span as (service, kind and name, children), children in the order of their names."""
    below = sorted((span for span in spans if span.parent_id == parent), key=lambda span: (span.service, span.name))
    return [(span.service, f"{span.kind} {span.name}", outline(spans, span.span_id)) for span in below]


def trace_of(answer: httpx.Response) -> str:
    """The trace's id, as the gateway says it."""
    return answer.headers["traceresponse"].split("-")[1]


def one(spans: list[ReceivedSpan], service: str, kind: str, name: str = "") -> ReceivedSpan:
    found = [span for span in spans if (span.service, span.kind) == (service, kind) and name in span.name]
    assert len(found) == 1, [(span.service, span.kind, span.name) for span in spans]
    return found[0]


def test_a_plain_request_is_one_tree_through_all_three_services(running: Running) -> None:
    sample, receiver = running
    answer = httpx.get(sample.url("gateway", "/api/profile"), headers=KEY)
    assert answer.status_code == 200
    assert answer.json()["profile"]["username"] == "demo"
    spans = receiver.wait_for(trace_of(answer), lambda spans: len(spans) == 7)
    assert outline(spans) == [
        (
            "gateway",
            "server GET /api/profile",
            [
                (
                    "gateway",
                    "client GET",
                    [
                        (
                            "auth",
                            "server GET /session",
                            [
                                (
                                    "auth",
                                    "client GET",
                                    [("user", "server GET /users/{id}", [("user", "client SELECT account", [])])],
                                ),
                                ("auth", "internal verify credentials", []),
                            ],
                        )
                    ],
                )
            ],
        )
    ]
    assert not any(span.error for span in spans)
    assert [event.name for event in one(spans, "auth", "internal").events] == ["credentials.accepted"]


def test_a_callers_context_is_continued(running: Running) -> None:
    sample, receiver = running
    context = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=1"}
    assert httpx.get(sample.url("gateway", "/api/profile"), headers={**KEY, **context}).status_code == 200
    spans = receiver.wait_for(TRACE, lambda spans: len(spans) == 7)
    assert one(spans, "gateway", "server").parent_id == PARENT


def test_an_unsampled_request_leaves_nothing(running: Running) -> None:
    sample, receiver = running
    unsampled = "1" * 32
    headers = {**KEY, "traceparent": f"00-{unsampled}-{PARENT}-00"}
    assert httpx.get(sample.url("gateway", "/api/profile"), headers=headers).status_code == 200
    later = httpx.get(sample.url("gateway", "/api/profile"), headers=KEY)
    receiver.wait_for(trace_of(later), lambda spans: len(spans) == 7)
    assert not receiver.trace(unsampled)


def test_calls_side_by_side_are_children_of_one_span(running: Running) -> None:
    sample, receiver = running
    answer = httpx.get(sample.url("gateway", "/api/overview"), headers=KEY)
    assert set(answer.json()) == {"profile", "events", "newest"}
    spans = receiver.wait_for(trace_of(answer), lambda spans: len(spans) == 14)
    business = one(spans, "gateway", "internal", "compose overview")
    assert [event.name for event in business.events] == ["overview.composed"]
    calls = [span for span in spans if span.parent_id == business.span_id]
    assert {span.kind for span in calls} == {"client"}
    routes = {span.name for span in spans if span.parent_id in {call.span_id for call in calls}}
    assert routes == {"GET /users/{id}/events", "GET /users"}


def test_an_event_is_written_in_the_background_as_a_child_of_its_request(running: Running) -> None:
    sample, receiver = running
    changed = httpx.patch(
        sample.url("gateway", "/api/users/1"), json={"display_name": "Demo"}, headers={**KEY, "x-request-id": "audited"}
    )
    assert changed.status_code == 200
    spans = receiver.wait_for(
        trace_of(changed), lambda spans: [span for span in spans if "INSERT" in span.name] and len(spans) >= 14
    )
    change = one(spans, "user", "internal", "change account")
    put = one(spans, "user", "producer")
    processed = one(spans, "user", "consumer")
    insert = one(spans, "user", "client", "INSERT")
    assert put.parent_id == change.span_id
    assert processed.parent_id == put.span_id
    assert insert.parent_id == processed.span_id
    assert processed.attributes["audit.action"] == "account.changed"
    events = httpx.get(sample.url("gateway", "/api/users/1/events"), headers=KEY).json()["events"]
    assert events[0]["request_id"] == "audited"


def test_an_error_is_recorded_where_it_happened_and_told_to_the_caller(running: Running) -> None:
    sample, receiver = running
    answer = httpx.get(sample.url("gateway", "/api/profile"), headers={"x-api-key": "no such key"})
    problem = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    assert problem["trace_id"] == trace_of(answer)
    assert problem["request_id"] == answer.headers["x-request-id"]
    spans = receiver.wait_for(problem["trace_id"], lambda spans: len(spans) == 4)
    verification = one(spans, "auth", "internal")
    assert verification.error
    assert verification.events[0].name == "exception"
    assert "not known" in verification.events[0].attributes["exception.message"]
    assert not any(span.service == "user" for span in spans)


def test_a_login_issues_a_token_that_is_accepted(running: Running) -> None:
    sample, receiver = running
    body = {"username": "demo", "password": "devenv-demo-password"}
    login = httpx.post(sample.url("gateway", "/api/auth/login"), json=body)
    assert login.status_code == 200
    spans = receiver.wait_for(trace_of(login), lambda spans: len(spans) == 8)
    assert {span.service for span in spans} == {"gateway", "auth", "user"}
    token = login.json()["access_token"]
    profile = httpx.get(sample.url("gateway", "/api/profile"), headers={"authorization": f"Bearer {token}"})
    assert profile.json()["profile"]["id"] == 1


@pytest.mark.parametrize(
    "body", [{"username": "demo", "password": "wrong"}, {"username": "nobody", "password": "wrong"}]
)
def test_a_wrong_login_says_the_same_whoever_it_is(running: Running, body: dict[str, str]) -> None:
    sample, _ = running
    answer = httpx.post(sample.url("gateway", "/api/auth/login"), json=body)
    assert (answer.status_code, answer.json()["detail"]) == (401, "username or password is wrong")


def test_an_account_that_is_not_active_is_turned_away(running: Running) -> None:
    sample, _ = running
    body = {"username": "idle", "email": "idle@example.test", "password": "idle password"}
    made = httpx.post(sample.url("gateway", "/api/users"), json=body, headers=KEY)
    assert made.status_code == 201
    login = {name: body[name] for name in ("username", "password")}
    token = httpx.post(sample.url("gateway", "/api/auth/login"), json=login).json()["access_token"]
    path = f"/api/users/{made.json()['id']}"
    assert httpx.patch(sample.url("gateway", path), json={"active": False}, headers=KEY).status_code == 200
    shown = {"authorization": f"Bearer {token}"}
    assert httpx.get(sample.url("gateway", "/api/profile"), headers=shown).status_code == 403
    assert httpx.post(sample.url("gateway", "/api/auth/login"), json=login).status_code == 403
    assert httpx.delete(sample.url("gateway", path), headers=KEY).status_code == 204
    assert httpx.get(sample.url("gateway", "/api/profile"), headers=shown).status_code == 401


def test_users_are_not_reached_without_credentials(running: Running) -> None:
    sample, _ = running
    assert httpx.get(sample.url("gateway", "/api/users/1")).status_code == 401
    assert httpx.get(sample.url("gateway", "/internal/accounts/demo")).status_code == 404


def test_health_checks_leave_no_traces(running: Running) -> None:
    sample, receiver = running
    for service in sample.ports:
        assert httpx.get(sample.url(service, "/healthz")).json() == {"status": "alive"}
    later = httpx.get(sample.url("gateway", "/api/profile"), headers=KEY)
    receiver.wait_for(trace_of(later), lambda spans: len(spans) == 7)
    assert not [span for span in receiver.spans if span.attributes.get("url.path") in {"/healthz", "/readyz"}]


def test_every_log_line_of_a_request_names_its_trace(running: Running) -> None:
    sample, _ = running
    answer = httpx.get(sample.url("gateway", "/api/profile"), headers={**KEY, "x-request-id": "logged"})
    for service in sample.ports:
        lines = sample.lines_with(service, '"logged"')
        assert all(f'"trace_id": "{trace_of(answer)}"' in line for line in lines)
