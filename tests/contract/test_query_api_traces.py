"""Single traces, dependencies, transform and API v3, on both servers.

Whatever is asserted here holds on a real Jaeger and on the embedded backend; the differences on purpose are in the unit
and integration tests of the backend.
"""

from __future__ import annotations

import secrets

import pytest
from otlp_build import MS, SECOND, make_span, one, request, resource_spans, span_id, trace_id
from query_servers import Backend, backend, embedded, real, service

__all__ = ["backend", "embedded", "real", "service"]  # fixtures


# --- one trace --------------------------------------------------------------------------------------------------------


def test_a_trace_in_full(backend: Backend, service: str) -> None:
    trace, root, child, other = trace_id(), span_id(), span_id(), trace_id()
    start = 1_700_000_000_123_456_789
    parent_span = make_span(trace, id=root, name="root", start=start, took=7 * MS + 999, state="a=1,b=2")
    child_span = make_span(
        trace,
        id=child,
        parent=root,
        name="child",
        kind=3,
        start=start + MS,
        took=2 * MS,
        status=2,
        message="it broke",
        attributes={
            "text": "x",
            "int": 5,
            "float": 1.5,
            "flag": False,
            "bytes": b"\x01\x02",
            "map": {"b": 1, "a": "<"},
        },
        events=[("exception", MS, {"exception.message": "boom", "a.first": 1})],
        links=[(other, root, {}), (other, child, {"opentracing.ref_type": "child_of"})],
    )
    body = one(service, parent_span, child_span, resource={"host.name": "box", "n": 3}, version="2.1")
    backend.store(body, trace)
    document = backend.trace(trace)
    assert document["traceID"] == trace.hex()
    (process, about) = next(iter(document["processes"].items()))
    assert about["serviceName"] == service
    assert sorted(about["tags"], key=lambda tag: tag["key"]) == [
        {"key": "host.name", "type": "string", "value": "box"},
        {"key": "n", "type": "int64", "value": 3},
    ]
    spans = {span["operationName"]: span for span in document["spans"]}
    assert spans["root"]["references"] == []
    assert spans["root"]["startTime"] == start // 1000
    assert spans["root"]["duration"] == 7000
    scope_tags = [
        {"key": "otel.scope.name", "type": "string", "value": "tests"},
        {"key": "otel.scope.version", "type": "string", "value": "2.1"},
    ]
    assert spans["root"]["tags"] == [
        *scope_tags,
        {"key": "span.kind", "type": "string", "value": "server"},
        {"key": "w3c.tracestate", "type": "string", "value": "a=1,b=2"},
    ]
    found = spans["child"]
    assert found["spanID"] == child.hex()
    assert found["processID"] == process
    assert found["references"] == [
        {"refType": "CHILD_OF", "traceID": trace.hex(), "spanID": root.hex()},
        {"refType": "FOLLOWS_FROM", "traceID": other.hex(), "spanID": root.hex()},
        {"refType": "CHILD_OF", "traceID": other.hex(), "spanID": child.hex()},
    ]
    assert found["tags"] == [
        {"key": "bytes", "type": "binary", "value": "AQI="},
        {"key": "error", "type": "bool", "value": True},
        {"key": "flag", "type": "bool", "value": False},
        {"key": "float", "type": "float64", "value": 1.5},
        {"key": "int", "type": "int64", "value": 5},
        {"key": "map", "type": "string", "value": '{"a":"\\u003c","b":1}'},
        *scope_tags[:1],
        *scope_tags[1:],
        {"key": "otel.status_code", "type": "string", "value": "ERROR"},
        {"key": "otel.status_description", "type": "string", "value": "it broke"},
        {"key": "span.kind", "type": "string", "value": "client"},
        {"key": "text", "type": "string", "value": "x"},
    ]
    assert found["logs"] == [
        {
            "timestamp": (start + 2 * MS) // 1000,
            "fields": [
                {"key": "event", "type": "string", "value": "exception"},
                {"key": "a.first", "type": "int64", "value": 1},
                {"key": "exception.message", "type": "string", "value": "boom"},
            ],
        }
    ]


def test_the_forms_of_a_trace_id(backend: Backend, service: str) -> None:
    low = secrets.token_bytes(7) + b"\x01"
    trace = bytes(8) + b"\x00" + low[1:]
    backend.store(one(service, make_span(trace)), trace)
    digits = trace.hex()
    for form in (digits, digits.upper(), digits[16:], digits.lstrip("0")):
        response = backend.get(f"/api/traces/{form}")
        assert response.status_code == 200, form
        assert response.json()["data"][0]["traceID"] == digits[16:]  # 64-bit ids are shown with 16 digits
        assert backend.get(f"/api/v3/traces/{form}").status_code == 200


def test_unknown_and_malformed_trace_ids(backend: Backend) -> None:
    response = backend.get(f"/api/traces/{trace_id().hex()}")
    assert response.status_code == 404
    assert response.json()["data"] is None
    assert response.json()["errors"] == [{"code": 404, "msg": "trace not found"}]
    assert backend.get(f"/api/v3/traces/{trace_id().hex()}").status_code == 404
    for bad in ("xyz", "1" * 33):
        response = backend.get(f"/api/traces/{bad}")
        assert response.status_code == 400
        assert response.json()["errors"][0]["code"] == 400


def test_spans_late_and_out_of_order_are_one_trace_and_twice_is_once(backend: Backend, service: str) -> None:
    trace, root = trace_id(), span_id()
    child = make_span(trace, parent=root, name="child")
    backend.store(one(f"{service}-b", child), trace)
    assert backend.post(one(f"{service}-b", child)).status_code == 200
    assert backend.post(one(service, make_span(trace, id=root, name="root"))).status_code == 200
    backend.until(lambda: len(backend.trace(trace)["processes"]) == 2)
    assert sorted(span["operationName"] for span in backend.trace(trace)["spans"]) == ["child", "root"]


def test_a_missing_parent_is_a_warning(backend: Backend, service: str) -> None:
    trace, parent = trace_id(), span_id()
    backend.store(one(service, make_span(trace, parent=parent)), trace)
    (span,) = backend.trace(trace)["spans"]
    assert any(parent.hex() in warning for warning in span["warnings"])


def test_several_ids_at_once(backend: Backend, service: str) -> None:
    first, second, missing = trace_id(), trace_id(), trace_id()
    backend.store(one(service, make_span(first), make_span(second)), first, second)
    response = backend.get("/api/traces", traceID=[first.hex(), missing.hex(), second.hex()])
    assert response.status_code == 200
    assert [trace["traceID"] for trace in response.json()["data"]] == [first.hex(), second.hex()]
    assert response.json()["errors"] == [{"msg": "trace not found", "traceID": missing.hex()}]


# --- dependencies, transform ------------------------------------------------------------------------------------------


def test_dependencies_count_calls_and_a_service_that_calls_itself(backend: Backend, service: str) -> None:
    front, back = f"{service}-front", f"{service}-back"
    base = 1_500_000_000_000_000_000 + secrets.randbelow(10**9) * SECOND // 10
    traces = [trace_id() for _ in range(3)]
    for each in traces:
        root, middle = span_id(), span_id()
        backend.store(
            request(
                resource_spans(
                    front,
                    make_span(each, id=root, start=base, took=9 * MS),
                    make_span(each, id=middle, parent=root, start=base + MS, took=7 * MS),
                ),
                resource_spans(back, make_span(each, parent=middle, start=base + 2 * MS, took=5 * MS)),
            ),
            each,
        )
    end = base // MS + 1000
    response = backend.get("/api/dependencies", endTs=end, lookback=2000)
    links = {(link["parent"], link["child"]): link["callCount"] for link in response.json()["data"]}
    assert links[front, front] == 3
    assert links[front, back] == 3
    assert (back, front) not in links
    one_service = backend.get("/api/dependencies", endTs=end, lookback=2000, service=back).json()["data"]
    assert [(link["parent"], link["child"]) for link in one_service] == [(front, back)]
    assert (backend.get("/api/dependencies", endTs=end - 10_000, lookback=2000).json()["data"] or []) == []
    assert backend.get("/api/dependencies", endTs="soon").status_code == 400


def test_transform(backend: Backend, service: str) -> None:
    trace, root = trace_id(), span_id()
    start = 1_700_000_000_000_000_000
    spans = (make_span(trace, id=root, start=start), make_span(trace, parent=root, start=start))
    backend.store(one(service, *spans), trace)
    exported = backend.get(f"/api/v3/traces/{trace.hex()}").json()["result"]
    response = backend.client.post(f"{backend.query_url}/api/transform", json=exported)
    assert response.status_code == 200
    (document,) = response.json()["data"]
    assert document["traceID"] == trace.hex()
    assert len(document["spans"]) == 2
    assert [each["serviceName"] for each in document["processes"].values()] == [service]
    assert backend.client.post(f"{backend.query_url}/api/transform", content=b"{").status_code == 400


# --- v3 ---------------------------------------------------------------------------------------------------------------


def test_v3_gives_otlp_back(backend: Backend, service: str) -> None:
    trace, root = trace_id(), span_id()
    values = {"s": "x", "i": 5, "d": 0.5, "b": True, "l": ["a", 1], "m": {"k": "v"}, "y": b"\x00\xff"}
    span = make_span(
        trace, id=root, name="op", start=1_700_000_000_000_000_123, attributes=values, status=2, message="no"
    )
    backend.store(one(service, span, resource={"r": 1}), trace)
    (group,) = backend.get(f"/api/v3/traces/{trace.hex()}").json()["result"]["resourceSpans"]
    resource = {one["key"]: one["value"] for one in group["resource"]["attributes"]}
    assert resource == {"service.name": {"stringValue": service}, "r": {"intValue": "1"}}
    (scope_spans,) = group["scopeSpans"]
    assert scope_spans["scope"]["name"] == "tests"
    (found,) = scope_spans["spans"]
    assert found["traceId"] == trace.hex()
    assert found["spanId"] == root.hex()
    assert found["kind"] == 2
    assert found["startTimeUnixNano"] == "1700000000000000123"
    assert found["endTimeUnixNano"] == "1700000000005000123"
    assert found["status"] == {"message": "no", "code": 2}
    attributes = {one["key"]: one["value"] for one in found["attributes"]}
    assert attributes == {
        "s": {"stringValue": "x"},
        "i": {"intValue": "5"},
        "d": {"doubleValue": 0.5},
        "b": {"boolValue": True},
        "l": {"arrayValue": {"values": [{"stringValue": "a"}, {"intValue": "1"}]}},
        "m": {"kvlistValue": {"values": [{"key": "k", "value": {"stringValue": "v"}}]}},
        "y": {"bytesValue": "AP8="},
    }


def test_v3_search_in_snake_case(backend: Backend, service: str) -> None:
    slow, quick = trace_id(), trace_id()
    start = 1_650_000_000_000_000_000
    backend.store(one(service, make_span(slow, start=start, took=SECOND), make_span(quick, start=start)), slow, quick)

    def found(**more: str) -> set[str]:
        window = {"query.start_time_min": "2022-04-15T05:20:00Z", "query.start_time_max": "2022-04-15T05:20:00.5+00:00"}
        response = backend.get(
            "/api/v3/traces", **{"query.service_name": service, "query.num_traces": "9", **window, **more}
        )
        if response.status_code == 404:
            return set()
        groups = response.json()["result"]["resourceSpans"]
        return {span["traceId"] for group in groups for each in group["scopeSpans"] for span in each["spans"]}

    assert found() == {slow.hex(), quick.hex()}
    assert found(**{"query.duration_min": "500ms"}) == {slow.hex()}
    assert found(**{"query.duration_max": "500ms"}) == {quick.hex()}
    assert found(**{"query.operation_name": "nothing"}) == set()
    assert found(**{"query.start_time_min": "2022-04-15T05:20:00.000000001Z"}) == set()
    assert len(found(**{"query.num_traces": "1"})) == 1


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"query.start_time_min": "2022-01-01T00:00:00Z"},
        {"query.start_time_min": "2022-01-01", "query.start_time_max": "2022-01-02"},
    ],
)
def test_v3_bad_parameters(backend: Backend, service: str, parameters: dict[str, str]) -> None:
    response = backend.get("/api/v3/traces", **{"query.service_name": service, **parameters})
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["httpCode"] == 400
    assert error["message"]
