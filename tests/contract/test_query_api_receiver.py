"""The OTLP receiver, services and operations, on both servers.

Whatever is asserted here holds on a real Jaeger and on the embedded backend; the differences on purpose are in the unit
and integration tests of the backend.
"""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from otlp_build import JSON, PROTOBUF, make_span, one, request, resource_spans, trace_id
from query_servers import Backend, backend, embedded, real, service

__all__ = ["backend", "embedded", "real", "service"]  # fixtures


def tags_of(span: dict[str, Any]) -> dict[str, Any]:
    return {tag["key"]: tag["value"] for tag in span["tags"]}


# --- receiver ---------------------------------------------------------------------------------------------------------


def test_protobuf_is_answered_in_protobuf(backend: Backend, service: str) -> None:
    response = backend.post(one(service, make_span(trace_id())))
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/x-protobuf"
    answer = ExportTraceServiceResponse.FromString(response.content)
    assert answer.partial_success.rejected_spans == 0


def test_an_empty_request_is_good(backend: Backend) -> None:
    assert backend.post(b"").status_code == 200
    assert backend.post(b"{}", JSON).status_code == 200


def test_json_is_answered_in_json_and_means_the_same(backend: Backend, service: str) -> None:
    trace = trace_id()
    span = {
        "traceId": trace.hex(),
        "spanId": "00f067aa0ba902b7",
        "name": "from json",
        "kind": 3,
        "startTimeUnixNano": "1700000000000000001",
        "endTimeUnixNano": 1700000000005000001,
        "attributes": [
            {"key": "big", "value": {"intValue": "9007199254740993"}},
            {"key": "small", "value": {"intValue": 7}},
            {"key": "list", "value": {"arrayValue": {"values": [{"stringValue": "a"}, {"boolValue": True}]}}},
        ],
        "someday": {"unknown": 1},
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    document = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {}, "spans": [span]}]}]}
    response = backend.post(json.dumps(document).encode(), JSON)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("application/json")
    backend.until(lambda: backend.get(f"/api/traces/{trace.hex()}").status_code == 200)
    found = backend.trace(trace)["spans"][0]
    assert (found["operationName"], found["duration"], found["spanID"]) == ("from json", 5000, "00f067aa0ba902b7")
    assert tags_of(found) == {"big": "9007199254740993", "small": 7, "list": '["a",true]', "span.kind": "client"}


def test_gzip(backend: Backend, service: str) -> None:
    trace = trace_id()
    body = gzip.compress(one(service, make_span(trace)))
    assert backend.post(body, {**PROTOBUF, "Content-Encoding": "gzip"}).status_code == 200
    backend.until(lambda: backend.get(f"/api/traces/{trace.hex()}").status_code == 200)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"\x0a\x05abc", PROTOBUF),
        (b"\xff\xff\xff", PROTOBUF),
        (b"{", JSON),
        (b"[]", JSON),
        (b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"xyz"}]}]}]}', JSON),
    ],
)
def test_what_cannot_be_decoded_is_a_bad_request_with_a_status(
    backend: Backend, body: bytes, headers: dict[str, str]
) -> None:
    response = backend.post(body, headers)
    assert response.status_code == 400
    assert response.headers["content-type"].startswith(headers["Content-Type"])
    assert response.content


def test_a_trace_id_of_the_wrong_length_is_a_bad_request(backend: Backend, service: str) -> None:
    assert backend.post(one(service, make_span(b"short"))).status_code == 400


def test_other_content_types_and_methods_are_refused(backend: Backend) -> None:
    assert backend.post(b"x", {"Content-Type": "text/plain"}).status_code == 415
    assert backend.client.get(f"{backend.otlp_url}/v1/traces").status_code == 405


# --- services and operations ------------------------------------------------------------------------------------------


def test_services_and_operations(backend: Backend, service: str) -> None:
    trace = trace_id()
    spans = (
        make_span(trace, name="a", kind=2),
        make_span(trace, name="a", kind=3),
        make_span(trace, name="b", kind=1),
        make_span(trace, name="c", kind=0),
    )
    backend.store(one(service, *spans), trace)
    assert service in backend.get("/api/services").json()["data"]
    assert service in backend.get("/api/v3/services").json()["services"]
    names = backend.get(f"/api/services/{service}/operations").json()
    assert sorted(names["data"]) == ["a", "b", "c"]
    assert names["total"] == 3
    with_kinds = backend.get("/api/operations", service=service).json()["data"]
    pairs = sorted((one["name"], one["spanKind"]) for one in with_kinds)
    assert pairs == [("a", "client"), ("a", "server"), ("b", "internal"), ("c", "")]
    servers = backend.get("/api/operations", service=service, spanKind="server").json()["data"]
    assert servers == [{"name": "a", "spanKind": "server"}]
    in_v3 = backend.get("/api/v3/operations", service=service, span_kind="client").json()["operations"]
    assert in_v3 == [{"name": "a", "spanKind": "client"}]


def test_operations_of_an_unknown_service_are_none(backend: Backend, service: str) -> None:
    assert (backend.get(f"/api/services/{service}/operations").json()["data"] or []) == []
    assert (backend.get("/api/operations", service=service).json()["data"] or []) == []
    response = backend.get("/api/operations")
    assert response.status_code == 400
    assert response.json()["errors"][0]["code"] == 400


@pytest.mark.parametrize(
    ("attribute", "name"),
    [
        (None, "missing-service-name"),
        ("", "empty-service-name"),
        (7, "service-name-wrong-type"),
    ],
)
def test_a_service_without_a_proper_name_gets_one(backend: Backend, attribute: Any, name: str) -> None:
    trace = trace_id()
    resource = {} if attribute is None else {"service.name": attribute}
    backend.store(request(resource_spans(None, make_span(trace), resource=resource)), trace)
    processes = backend.trace(trace)["processes"].values()
    assert [process["serviceName"] for process in processes] == [name]


def test_there_is_no_metrics_storage(backend: Backend) -> None:
    response = backend.get("/api/metrics/minstep")
    if backend.name == "embedded":  # it computes them from the spans
        assert response.json()["data"] == 1
        return
    assert response.status_code == 501
    assert response.json()["errors"][0]["code"] == 501
