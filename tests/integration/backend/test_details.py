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


def encoded(depth: int, kind: str) -> bytes:
    """`nested` as an AnyValue in protobuf."""
    value = field(1, b"deep")
    for _ in range(depth):
        pair = field(1, b"k") + field(2, value)
        value = field(5, field(1, value)) if kind == "arrayValue" else field(6, field(1, pair))
    return value


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("filler", [0, 4000], ids=["small", "large"])
@pytest.mark.parametrize(("depth", "kept"), [(41, 3), (100, 3), (101, 2), (5000, 2)])
async def test_a_deep_value_in_protobuf_costs_at_most_its_span(
    backend: Backend, kind: str, filler: int, depth: int, kept: int
) -> None:
    """The same depths as in JSON, though the decoder of protobuf allows 100 messages in each other."""
    good = [make_span(trace_id()), make_span(trace_id(), attributes={"k": "x" * filler * 300})]
    first, last = (span.SerializeToString() for span in good)
    deep = make_span(bytes([7] * 16)).SerializeToString() + field(9, field(1, b"k") + field(2, encoded(depth, kind)))
    body = field(1, field(2, b"".join(field(2, each) for each in (first, deep, last))))
    status, _, answer = await post(backend, body, PROTOBUF)
    assert (status, backend.stats()["spans_stored"], backend.stats()["spans_rejected"]) == (200, kept, 3 - kept)
    assert (kept == 3) != (b"nested too deep" in answer)
    if kept == 3:
        for path in (f"/api/traces/{'07' * 16}", f"/api/v3/traces/{'07' * 16}"):
            found = await query(backend, path)
            assert found[0] == 200
            assert "deep" in json.dumps(found[1])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", ["resource", "scope"])
@pytest.mark.parametrize(("depth", "status"), [(49, 200), (100, 200), (101, 400)])
async def test_deep_values_of_a_resource_and_a_scope_have_one_rule_in_both_forms(
    backend: Backend, kind: str, place: str, depth: int, status: int
) -> None:
    """Jaeger takes them as those of spans; here, the limit is the one of spans."""
    pair = {"attributes": [{"key": "k", "value": nested(depth, kind)}]}
    scope_spans = {"spans": [span(1)], **({"scope": pair} if place == "scope" else {})}
    resource_spans = {"scopeSpans": [scope_spans], **({"resource": pair} if place == "resource" else {})}
    attribute = field(1, b"k") + field(2, encoded(depth, kind))
    one = field(2, make_span(bytes(15) + b"\2").SerializeToString())
    inner = field(2, one + (field(1, field(3, attribute)) if place == "scope" else b""))
    body = field(1, inner + (field(1, field(1, attribute)) if place == "resource" else b""))
    assert (await post(backend, json.dumps({"resourceSpans": [resource_spans]}).encode()))[0] == status
    answered, _, answer = await post(backend, body, PROTOBUF)
    assert answered == status
    if status == 200:
        shown = [(await query(backend, f"/api/v3/traces/{number:032x}"))[1] for number in (1, 2)]
        described = [found["result"]["resourceSpans"][0] for found in shown]
        parts = [found[place] if place == "resource" else found["scopeSpans"][0][place] for found in described]
        kept = [[each for each in part["attributes"] if each["key"] == "k"] for part in parts]
        assert ["deep" in json.dumps(each) for each in kept] == [True, True]
        assert depth < 100 or kept[0] == kept[1]  # protobuf's decoder takes some of the shallower ones as they are
    else:
        assert b"nested more than 100 deep" in answer


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", ["attribute", "event", "link"])
async def test_deep_values_are_stored_alike_from_both_forms(backend: Backend, kind: str, place: str) -> None:
    value = nested(70, kind)
    pair = [{"key": "k", "value": value}]
    about: dict[str, Any] = {
        "attribute": {"attributes": pair},
        "event": {"events": [{"timeUnixNano": "5", "name": "e", "attributes": pair, "droppedAttributesCount": 2}]},
        "link": {"links": [{"traceId": "3" * 32, "spanId": "4" * 16, "attributes": pair}]},
    }[place]
    times = {"startTimeUnixNano": "1", "endTimeUnixNano": "9", "kind": 2, "parentSpanId": "5" * 16}
    attribute = field(1, b"k") + field(2, encoded(70, kind))
    rest = {
        "attribute": field(9, attribute),
        "event": field(11, b"\x09" + (5).to_bytes(8, "little") + field(2, b"e") + field(3, attribute) + b"\x20\x02"),
        "link": field(13, field(1, b"3" * 16) + field(2, b"4" * 8) + field(4, attribute)),
    }[place]
    if place == "link":
        about["links"][0] |= {"traceId": (b"3" * 16).hex(), "spanId": (b"4" * 8).hex()}
    ids = {"id": bytes(7) + b"\1", "parent": bytes([0x55] * 8)}
    head = make_span(bytes(15) + b"\2", name="span 1", **ids, kind=2, start=1, took=8).SerializeToString()
    assert (await post(backend, document(span(1, **about, **times))))[0] == 200
    assert (await post(backend, field(1, field(2, field(2, head + rest))), PROTOBUF))[0] == 200
    shown = []
    for number in (1, 2):
        _, found = await query(backend, f"/api/v3/traces/{number:032x}")
        shown.append(found["result"]["resourceSpans"][0]["scopeSpans"][0]["spans"][0] | {"traceId": ""})
    assert shown[0] == shown[1]


async def test_wide_values_beside_deep_ones_are_refused_before_they_take_long(backend: Backend) -> None:
    """Layer by layer in Python: a few thousand values of a batch, and no large span."""
    wide = field(2, field(5, b"".join(field(1, field(1, b"x")) for _ in range(5000))))
    attribute = field(9, field(1, b"k") + field(2, encoded(60, "arrayValue")))
    costly = make_span(trace_id()).SerializeToString() + field(9, field(1, b"w") + wide) + attribute
    large = make_span(trace_id(), attributes={"x": "y" * 300_000}).SerializeToString() + attribute
    body = field(1, field(2, b"".join(field(2, each) for each in (costly, large))))
    assert (await post(backend, body, PROTOBUF))[0] == 200
    assert (backend.stats()["spans_stored"], backend.stats()["spans_rejected"]) == (0, 2)


async def test_counts_of_what_events_and_links_dropped_are_kept(backend: Backend) -> None:
    events = [{"timeUnixNano": "1", "name": "e", "droppedAttributesCount": 3}]
    links = [{"traceId": "1" * 32, "spanId": "2" * 16, "droppedAttributesCount": 4}]
    assert (await post(backend, document(span(1, events=events, links=links))))[0] == 200
    _, found = await query(backend, f"/api/v3/traces/{1:032x}")
    shown = found["result"]["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    assert shown["events"][0]["droppedAttributesCount"] == 3
    assert shown["links"][0]["droppedAttributesCount"] == 4


@pytest.mark.parametrize(
    ("key", "in_protobuf", "parts"),
    [
        ("traceId", "trace_id has 16 bytes, not 4", {"trace": b"abcd"}),
        ("spanId", "span_id has 8 bytes, not 4", {"id": b"abcd"}),
        ("parentSpanId", "parent_span_id has 8 bytes, not 4", {"parent": b"abcd"}),
    ],
)
async def test_an_id_of_an_odd_length_refuses_its_request_in_both_forms_as_jaeger_does(
    backend: Backend, key: str, in_protobuf: str, parts: dict[str, bytes]
) -> None:
    """The answer names the field; `contract/test_query_api_receiver.py` asks Jaeger, too."""
    odd = make_span(parts.pop("trace", trace_id()), **parts)  # type: ignore[arg-type]  # IDs alone
    status, _, answer = await post(backend, one("a", make_span(trace_id()), odd), PROTOBUF)
    assert status == 400
    assert in_protobuf.encode() in answer
    status, _, answer = await post(backend, document(span(2), span(1, **{key: "abcdabcd"})))
    assert status == 400
    digits = 32 if key == "traceId" else 16
    assert f"{key} has {digits} hexadecimal digits, not 'abcdabcd'" in json.loads(answer)["message"]
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
        (f"/api/archive/{known.hex()}", "POST", 500),
        (f"/api/archive/{1:032x}", "POST", 500),
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
