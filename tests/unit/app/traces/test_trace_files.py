"""Files of other tools: what each format gives, and what is said of one that cannot be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from otlp_build import make_span, request, resource_spans

from devenv.app.traces.trace_files import SPANS_A_REQUEST, TraceFile, read
from devenv.errors import ConfigurationError
from devenv.model.span import Span, SpanEvent, SpanKind, Status
from devenv.otlp.proto_spans import parse_spans

TRACE = "0af7651916cd43dd8448eb211c80319c"
CLIENT: dict[str, Any] = {
    "traceId": TRACE,
    "id": "b7ad6b7169203331",
    "kind": "CLIENT",
    "name": "get /items",
    "timestamp": 1_700_000_000_000_001,
    "duration": 1500,
    "localEndpoint": {"serviceName": "web", "ipv4": "10.0.0.1"},
    "remoteEndpoint": {"serviceName": "api", "ipv4": "10.0.0.2", "port": 8080},
    "annotations": [{"timestamp": 1_700_000_000_000_100, "value": "sent"}],
    "tags": {"http.method": "GET", "error": "no route", "otel.scope.name": "client"},
}
SERVER: dict[str, Any] = {
    "traceId": TRACE[16:],
    "parentId": "b7ad6b7169203331",
    "id": "1",
    "kind": "SERVER",
    "name": "get",
    "localEndpoint": {"serviceName": "api"},
}
JAEGER: dict[str, Any] = {
    "traceID": TRACE,
    "processes": {"p1": {"serviceName": "web", "tags": []}},
    "spans": [
        {
            "traceID": TRACE,
            "spanID": "b7ad6b7169203331",
            "operationName": "GET /",
            "references": [],
            "startTime": 1_700_000_000_000_001,
            "duration": 7,
            "tags": [{"key": "span.kind", "type": "string", "value": "server"}],
            "logs": [],
            "processID": "p1",
        }
    ],
}


def spans_of(file: TraceFile) -> list[Span]:
    """The spans of requests that are encoded."""
    assert all(isinstance(each, bytes) for each in file.requests)
    return [span for each in file.requests if isinstance(each, bytes) for span in parse_spans(each)]


def stored(tmp_path: Path, content: bytes | str | object) -> TraceFile:
    if not isinstance(content, bytes | str):
        content = json.dumps(content)
    (tmp_path / "file").write_bytes(content if isinstance(content, bytes) else content.encode())
    return read(tmp_path / "file")


@pytest.mark.parametrize("nested", [False, True])
def test_zipkin(tmp_path: Path, nested: bool) -> None:
    file = stored(tmp_path, [[CLIENT], [SERVER]] if nested else [CLIENT, SERVER])
    assert (file.trace_ids, file.spans) == ((TRACE, TRACE[16:].zfill(32)), 2)
    client, server = spans_of(file)
    assert client.kind is SpanKind.CLIENT
    assert (client.start_ns, client.duration_ns) == (1_700_000_000_000_001_000, 1_500_000)
    assert (client.status, client.status_message) == (Status.ERROR, "no route")
    assert (client.service, client.scope) == ("web", "client")
    assert client.events == (SpanEvent(1_700_000_000_000_100_000, "sent"),)
    assert dict(client.attributes) == {
        "http.method": "GET",
        "peer.service": "api",
        "network.peer.address": "10.0.0.2",
        "network.peer.port": 8080,
    }
    assert (server.parent_id, server.span_id, server.status) == (client.span_id, "0" * 15 + "1", Status.UNSET)


@pytest.mark.parametrize("document", [{"data": [JAEGER]}, JAEGER])
def test_jaeger(tmp_path: Path, document: object) -> None:
    file = stored(tmp_path, document)
    (span,) = spans_of(file)
    assert file.trace_ids == (TRACE,)
    assert (span.service, span.name, span.kind, span.duration_ns) == ("web", "GET /", SpanKind.SERVER, 7000)


def test_otlp_protobuf_is_sent_as_it_is(tmp_path: Path) -> None:
    trace = bytes.fromhex(TRACE)
    many = [make_span(trace, id=number.to_bytes(8, "big"), state="a=b") for number in range(1, SPANS_A_REQUEST)]
    body = request(resource_spans("web", *many), resource_spans("api", make_span(trace)))
    file = stored(tmp_path, body)
    assert (file.trace_ids, file.spans) == ((TRACE,), SPANS_A_REQUEST)
    assert spans_of(file) == list(parse_spans(body))
    assert len(file.requests) > 1


def test_an_answer_of_jaegers_third_api_is_otlp(tmp_path: Path) -> None:
    span = {"traceId": TRACE, "spanId": "b7ad6b7169203331"}
    file = stored(tmp_path, {"result": {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}})
    assert (file.trace_ids, file.spans) == ((TRACE,), 1)


def test_documents_of_several_kinds_stay_in_order(tmp_path: Path) -> None:
    otlp = {"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "ab" * 16, "spanId": "cd" * 8}]}]}]}
    lines = [otlp, otlp, [CLIENT], otlp]
    file = stored(tmp_path, "\n".join(map(json.dumps, lines)))
    assert [type(each) for each in file.requests] == [list, bytes, list]
    assert (file.trace_ids, file.spans) == (("ab" * 16, TRACE), 4)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x0a\xff\xff\xff", "not UTF-8 text, and not OTLP"),
        (b"\x0a\x00", "not valid JSON"),
        ([{**CLIENT, "traceId": "x"}], "file:1:1: found Zipkin's JSON with a span that cannot be read"),
        ([{**CLIENT, "id": "0" * 16}], "hexadecimal digits that are not all 0"),
        ([{"name": "a"}], "cannot be read (no 'traceId')"),
        ({"data": [{"traceID": TRACE, "spans": [{}]}]}, "found Jaeger's JSON with a span that cannot be read"),
        ({"data": [{**JAEGER, "processes": {}}]}, "cannot be read (no 'p1')"),
        ([1], "JSON of another kind, expected OTLP (JSON or protobuf), Jaeger's JSON or Zipkin's JSON"),
        ([], "found no span"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(tmp_path: Path, content: bytes | object, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        stored(tmp_path, content)
    assert said in caught.value.message
