"""Details of OTLP and of the query APIs, in which devenv answered something else than it should."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import pytest
from otlp_build import field, make_span, one, trace_id
from raw_http import PROTOBUF, Client, backend

from devenv.backend import Backend
from devenv.http.server.compression import SUPPORTED

__all__ = ["backend"]  # a fixture
JSON = "Content-Type: application/json\r\n"
KINDS = ("arrayValue", "kvlistValue")


def nested(depth: int, kind: str = "arrayValue") -> dict[str, Any]:
    value: dict[str, Any] = {"stringValue": "deep"}
    for _ in range(depth):
        value = {kind: {"values": [value if kind == "arrayValue" else {"key": "k", "value": value}]}}
    return value


def span(number: int, value: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    about = {"traceId": f"{number:032x}", "spanId": f"{number:016x}", "name": f"span {number}", **more}
    return about | ({"attributes": [{"key": "k", "value": value}]} if value else {})


def document(*spans: dict[str, Any]) -> bytes:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "a"}}]}
    return json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]}).encode()


async def post(backend: Backend, body: bytes, headers: str = JSON) -> tuple[int, dict[str, str], bytes]:
    return await (await Client.to(backend.otlp_port)).post(body, headers)


async def query(backend: Backend, path: str, method: str = "GET") -> tuple[int, Any]:
    status, headers, body = await (await Client.to(backend.query_port)).ask(path, method=method)
    assert headers["content-type"] == "application/json", (path, headers)
    return status, json.loads(body)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("filler", [0, 4000], ids=["small", "large"])
@pytest.mark.parametrize(("depth", "kept"), [(41, 3), (100, 3), (101, 2), (5000, 2)])
async def test_a_deep_value_costs_at_most_its_span(
    backend: Backend, kind: str, filler: int, depth: int, kept: int
) -> None:
    # Text with 5,000 levels cannot be made by json.dumps.
    text = document(span(1), span(2, {"stringValue": "DEEP"}), span(3, {"stringValue": "x" * filler * 100}))
    opening, closing = json.dumps(nested(1, kind)).split('{"stringValue": "deep"}')
    deep = opening * depth + '{"stringValue": "deep"}' + closing * depth
    body = text.replace(b'{"stringValue": "DEEP"}', deep.encode())
    status, _, answer = await post(backend, body)
    assert status == 200
    rejected = json.loads(answer or b"{}").get("partialSuccess", {"rejectedSpans": "0", "errorMessage": ""})
    assert rejected["rejectedSpans"] == str(3 - kept)
    assert kept == 3 or "nested too deep" in rejected["errorMessage"]
    assert backend.stats()["spans_stored"] == kept
    if kept == 3:
        for path in (f"/api/traces/{2:032x}", f"/api/v3/traces/{2:032x}"):
            found = await query(backend, path)
            assert found[0] == 200
            assert "deep" in json.dumps(found[1])


async def test_a_deep_value_in_protobuf_costs_only_its_span(backend: Backend) -> None:
    value = field(1, b"deep")
    for _ in range(60):
        value = field(5, field(1, value))
    good = make_span(trace_id()).SerializeToString()
    deep = make_span(trace_id()).SerializeToString() + field(9, field(1, b"k") + field(2, value))
    status, _, answer = await post(backend, field(1, field(2, field(2, good) + field(2, deep))), PROTOBUF)
    assert (status, backend.stats()["spans_stored"]) == (200, 1)
    assert b"nested too deep" in answer


async def test_counts_of_what_events_and_links_dropped_are_kept(backend: Backend) -> None:
    events = [{"timeUnixNano": "1", "name": "e", "droppedAttributesCount": 3}]
    links = [{"traceId": "1" * 32, "spanId": "2" * 16, "droppedAttributesCount": 4}]
    assert (await post(backend, document(span(1, events=events, links=links))))[0] == 200
    _, found = await query(backend, f"/api/v3/traces/{1:032x}")
    shown = found["result"]["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    assert shown["events"][0]["droppedAttributesCount"] == 3
    assert shown["links"][0]["droppedAttributesCount"] == 4


async def test_an_odd_parent_id_is_refused_in_both_forms(backend: Backend) -> None:
    odd = one("a", make_span(trace_id(), parent=b"abcd"))
    assert (await post(backend, odd, PROTOBUF))[0] == 400
    assert (await post(backend, document(span(1, parentSpanId="abcdabcd"))))[0] == 400
    assert backend.stats()["spans_stored"] == 0


async def test_another_encoding_is_told_what_to_use_instead(backend: Backend) -> None:
    status, headers, answer = await post(backend, b"x", f"{PROTOBUF}Content-Encoding: br\r\n")
    assert (status, headers["accept-encoding"]) == (415, SUPPORTED)
    assert f"supported: {SUPPORTED}".encode() in answer


async def test_zstd_is_read_small_and_large(backend: Backend) -> None:
    zstandard = pytest.importorskip("zstandard")
    for count in (1, 5000):
        body = one("a", *(make_span(trace_id(), attributes={"k": "v" * 300}) for _ in range(count)))
        headers = f"{PROTOBUF}Content-Encoding: zstd\r\n"
        assert (await post(backend, zstandard.compress(body), headers))[0] == 200
    assert backend.stats()["spans_stored"] == 5001


async def test_client_and_server_with_one_span_id_are_told_apart_unless_raw(backend: Backend) -> None:
    trace = trace_id()
    shared, inner = b"\1" * 8, b"\2" * 8
    spans = [
        make_span(trace, name="call", id=shared, kind=3),
        make_span(trace, name="serve", id=shared, kind=2),
        make_span(trace, name="inner", id=inner, parent=shared, kind=1),
    ]
    assert (await post(backend, one("a", *spans), PROTOBUF))[0] == 200

    async def legacy(suffix: str) -> dict[str, tuple[str, str]]:
        _, found = await query(backend, f"/api/traces{suffix}")
        return {
            each["operationName"]: (each["spanID"], "".join(ref["spanID"] for ref in each["references"]))
            for each in found["data"][0]["spans"]
        }

    async def v3(suffix: str) -> dict[str, tuple[str, str]]:
        _, found = await query(backend, f"/api/v3/traces/{trace.hex()}{suffix}")
        spans = found["result"]["resourceSpans"][0]["scopeSpans"][0]["spans"]
        return {each["name"]: (each["spanId"], each.get("parentSpanId", "")) for each in spans}

    sent = {"call": (shared.hex(), ""), "serve": (shared.hex(), ""), "inner": (inner.hex(), shared.hex())}
    new = f"{1:016x}"
    adjusted = {"call": (shared.hex(), ""), "serve": (new, shared.hex()), "inner": (inner.hex(), new)}
    assert await legacy(f"/{trace.hex()}") == await legacy("?service=a") == await v3("") == adjusted
    assert await legacy(f"/{trace.hex()}?raw=true") == await legacy("?service=a&raw=true") == sent
    assert await v3("?raw_traces=true") == await v3("?rawTraces=true") == sent


async def test_a_bad_parameter_is_called_by_its_own_name(backend: Backend) -> None:
    for path, name in (
        (f"/api/v3/traces/{1:032x}?start_time=noon", "start_time"),
        (f"/api/v3/traces/{1:032x}?endTime=noon", "endTime"),
        (f"/api/v3/traces/{1:032x}?raw_traces=maybe", "raw_traces"),
        ("/api/v3/traces/xyz", "trace_id"),
    ):
        status, found = await query(backend, path)
        assert status == 400
        assert f"malformed parameter {name}:" in found["error"]["message"], found


async def test_unknown_paths_and_the_archive_answer_in_the_envelope(backend: Backend) -> None:
    known = trace_id()
    await post(backend, one("a", make_span(known)), PROTOBUF)
    for path, method, status in (
        (f"/api/archive/{known.hex()}", "POST", 501),
        (f"/api/archive/{1:032x}", "POST", 404),
        ("/api/archive/xyz", "POST", 400),
        ("/api/nothing", "GET", 404),
        ("/api/services", "DELETE", 405),
    ):
        got, found = await query(backend, path, method)
        assert (got, found["data"], found["errors"][0]["code"]) == (status, None, status), path
    got, found = await query(backend, "/api/v3/nothing")
    assert (got, found["error"]["httpCode"]) == (404, 404)


async def test_both_loopback_addresses_answer(backend: Backend) -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 on this machine")
    for port, path, status in ((backend.query_port, "/api/services", 200), (backend.health_port, "/status", 200)):
        client = Client(*await asyncio.open_connection("::1", port))
        assert (await client.ask(path, f"Host: [::1]:{port}\r\n"))[0] == status
    client = Client(*await asyncio.open_connection("::1", backend.otlp_port))
    assert (await client.post(one("a", make_span(trace_id()))))[0] == 200
