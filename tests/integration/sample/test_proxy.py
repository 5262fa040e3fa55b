"""The sample's gateway as a reverse proxy, in front of an upstream that misbehaves on request."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from otlp_receiver import OtlpReceiver, ReceivedSpan
from sample_processes import SampleProcesses, free_port
from stub_upstream import StubUpstream

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


@dataclass(frozen=True)
class Edge:
    client: httpx.Client
    receiver: OtlpReceiver
    sample: SampleProcesses
    stub: StubUpstream


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """A gateway with the stub as auth, and without a user service."""
    receiver, stub = OtlpReceiver().start(), StubUpstream().start()
    sample = SampleProcesses(receiver.endpoint, tmp_path_factory.mktemp("edge"))
    nobody = f"http://127.0.0.1:{free_port()}"
    try:
        sample.start("gateway", AUTH_URL=stub.url, USER_URL=nobody, UPSTREAM_TIMEOUT_S="0.3")
        with httpx.Client(base_url=sample.url("gateway")) as client:
            yield Edge(client, receiver, sample, stub)
    finally:
        sample.kill_all()
        stub.stop()
        receiver.stop()


def spans_of(edge: Edge, answer: httpx.Response) -> dict[str, ReceivedSpan]:
    """The gateway's spans of a request by kind."""
    trace = answer.headers["traceresponse"].split("-")[1]
    spans = edge.receiver.wait_for(trace, lambda spans: any(span.kind == "server" for span in spans))
    return {span.kind: span for span in spans}


def sent_on(answer: httpx.Response) -> dict[str, list[str]]:
    """The headers that the upstream saw."""
    seen: dict[str, list[str]] = {}
    for name, value in answer.json()["headers"]:
        seen.setdefault(name, []).append(value)
    return seen


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_method_path_query_and_body_arrive_as_they_were_sent(edge: Edge, method: str) -> None:
    path = "/api/auth/echo/a%2Fb/%C3%A9?q=1&q=%20&empty="
    answer = edge.client.request(method, path, content=b"a body")
    seen = answer.json()
    assert (seen["method"], seen["path"], seen["body"]) == (method, path.removeprefix("/api/auth"), "a body")


def test_an_answer_to_head_has_the_length_and_no_body(edge: Edge) -> None:
    answer = edge.client.head("/api/auth/echo")
    assert answer.status_code == 200
    assert int(answer.headers["content-length"]) > 0
    assert answer.content == b""


def test_a_long_body_is_streamed_in_both_directions(edge: Edge) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(64):
            yield b"z" * 16_384

    answer = edge.client.post("/api/auth/echo", content=chunks())
    assert answer.json()["body"] == "z" * 1_048_576
    assert sent_on(answer)["transfer-encoding"] == ["chunked"]


def test_the_upstream_becomes_a_child_of_the_gateways_call(edge: Edge) -> None:
    context = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=1", "baggage": "devenv.request=r7"}
    seen = sent_on(edge.client.get("/api/auth/echo", headers=context))
    spans = edge.receiver.wait_for(TRACE, lambda spans: len(spans) == 2)
    call = next(span for span in spans if span.kind == "client")
    assert seen["traceparent"][0].split("-")[1:3] == [TRACE, call.span_id]
    assert len(seen["traceparent"]) == len(seen["tracestate"]) == len(seen["baggage"]) == 1
    assert seen["tracestate"] == ["vendor=1"]
    assert "devenv.request=r7" in seen["baggage"][0]
    assert call.attributes["http.response.status_code"] == 200
    assert call.parent_id == next(span for span in spans if span.kind == "server").span_id


def test_an_unsampled_context_is_passed_on_as_such(edge: Edge) -> None:
    seen = sent_on(edge.client.get("/api/auth/echo", headers={"traceparent": f"00-{'2' * 32}-{PARENT}-00"}))
    assert len(seen["traceparent"]) == 1
    version, trace, _, flags = seen["traceparent"][0].split("-")
    assert (version, trace, int(flags, 16) & 1) == ("00", "2" * 32, 0)


def test_without_tracing_the_gateway_works_and_passes_a_context_on(edge: Edge, tmp_path: Path) -> None:
    sample = SampleProcesses(edge.receiver.endpoint, tmp_path)
    try:
        sample.start("gateway", AUTH_URL=edge.stub.url, OTEL_SDK_DISABLED="true")
        url = sample.url("gateway", "/api/auth/echo")
        assert "traceparent" not in sent_on(httpx.get(url))
        passed_on = sent_on(httpx.get(url, headers={"traceparent": f"00-{'5' * 32}-{PARENT}-01"}))
        assert [value.split("-")[1] for value in passed_on["traceparent"]] == ["5" * 32]
        assert sample.stop("gateway") == 0
    finally:
        sample.kill_all()
    assert not edge.receiver.trace("5" * 32)


def test_what_belongs_to_one_connection_stays_there(edge: Edge) -> None:
    headers = {"connection": "keep-alive, x-private", "x-private": "1", "te": "trailers", "x-kept": "1"}
    answer = edge.client.get("/api/auth/echo", headers={**headers, "x-account-id": "1", "x-forwarded-for": "6.6.6.6"})
    seen = sent_on(answer)
    assert seen["x-kept"] == ["1"]
    assert not {"x-private", "te", "x-account-id"} & set(seen)
    assert seen["x-forwarded-for"] == ["127.0.0.1"]
    assert seen["x-forwarded-host"] == [edge.client.base_url.netloc.decode()]
    assert "keep-alive" not in answer.headers
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]


def test_a_request_has_one_id_on_its_whole_way(edge: Edge) -> None:
    given = edge.client.get("/api/auth/echo", headers={"x-request-id": "mine"})
    assert sent_on(given)["x-request-id"] == given.headers.get_list("x-request-id") == ["mine"]
    made = edge.client.get("/api/auth/echo")
    assert sent_on(made)["x-request-id"] == made.headers.get_list("x-request-id")
    assert len(made.headers["x-request-id"]) == 32


@pytest.mark.parametrize("path", ["/api/users/1", "/api/overview"])
def test_an_upstream_that_is_down_is_a_502(edge: Edge, path: str) -> None:
    answer = edge.client.get(path)
    assert (answer.status_code, answer.json()["detail"]) == (502, "user cannot be reached: ClientConnectorError")


@pytest.mark.parametrize("said", ["no JSON", "[1]", '{"name": "no id"}', '{"id": "1"}'])
def test_an_auth_that_makes_no_sense_is_a_502(edge: Edge, said: str) -> None:
    for path in ("/api/profile", "/api/users/1"):
        assert edge.client.get(path, headers={"x-api-key": said}).status_code == 502


@pytest.mark.parametrize(
    ("path", "status", "recorded"),
    [("/slow", 504, "Timeout"), ("/reset", 502, "Disconnected")],
)
def test_a_failing_upstream_becomes_a_problem_and_a_recorded_exception(
    edge: Edge, path: str, status: int, recorded: str
) -> None:
    answer = edge.client.get(f"/api/auth{path}")
    problem = answer.json()
    assert answer.status_code == problem["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["request_id"] == answer.headers["x-request-id"]
    spans = spans_of(edge, answer)
    assert problem["trace_id"] == spans["server"].trace_id
    assert spans["server"].error
    assert spans["client"].error
    assert spans["server"].attributes["http.response.status_code"] == status
    exceptions = [event.attributes["exception.type"] for event in spans["client"].events if event.name == "exception"]
    assert any(recorded in name for name in exceptions), exceptions


def test_an_answer_that_breaks_off_is_broken_off(edge: Edge) -> None:
    with edge.client.stream("GET", "/api/auth/broken") as answer:
        assert answer.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            answer.read()


def test_the_upstream_is_let_go_when_the_caller_leaves(edge: Edge) -> None:
    with edge.client.stream("GET", "/api/auth/endless") as answer:
        next(answer.iter_bytes())
    assert edge.stub.left.wait(10)


def test_a_caller_who_leaves_in_the_middle_of_a_body_does_no_harm(edge: Edge) -> None:
    port = edge.sample.ports["gateway"]
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(
            b"POST /api/auth/echo HTTP/1.1\r\nhost: x\r\nx-request-id: leaver\r\ncontent-length: 99\r\n\r\nx"
        )
    lines = edge.sample.lines_with("gateway", '"leaver"')
    assert not [line for line in lines if "exception" in line]
    assert edge.client.get("/api/auth/echo").status_code == 200


@pytest.mark.parametrize("path", ["/api/auth/%2e%2e/internal", "/api/auth/x/%2E%2E/%2e/y"])
def test_a_path_does_not_leave_its_route(edge: Edge, path: str) -> None:
    port = edge.sample.ports["gateway"]
    assert httpx.get(f"http://127.0.0.1:{port}{path}").status_code == 400


def test_what_no_route_has_is_a_404(edge: Edge) -> None:
    answer = edge.client.get("/api/authentic")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert edge.client.post("/api/profile").status_code == 405
