"""Large traces: read as protobuf by devenv's own commands, as JSON by others, and never made in one piece."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from embedded.stored_spans import as_legacy, as_otlp
from otlp_build import make_span, one, request, resource_spans, trace_id
from raw_http import PROTOBUF, Client, backend

from devenv.backend import Backend
from devenv.backend.api import legacy_json, otlp_document
from devenv.backend.query import traces_data
from devenv.backend.store.decoding import snapshot
from devenv.model.trace import Trace
from devenv.traces.client import TraceClient
from devenv.traces.dialect import DialectCapabilities

__all__ = ["backend"]  # a fixture
ACCEPT = "Accept: application/x-protobuf\r\n"
EITHER = "Accept: application/x-protobuf, application/json\r\n"


async def post(backend: Backend, body: bytes) -> None:
    assert (await (await Client.to(backend.otlp_port)).post(body, PROTOBUF))[0] == 200


async def read(backend: Backend, trace: bytes, found: DialectCapabilities | None) -> Trace:
    async with TraceClient(f"http://127.0.0.1:{backend.query_port}") as client:
        client._found = found
        trace_found = await client.trace(trace.hex())
    assert trace_found is not None
    return trace_found


async def test_protobuf_and_json_give_the_same_trace(backend: Backend) -> None:
    trace = trace_id()
    nested = {"text": "é\u202e", "list": [1, "a", None, [True]], "map": {"a": {"b": b"\x00\xff"}}, "float": 1.5}
    large = {**nested, "large": "x" * 20_000}  # a small trace is always in JSON
    odd = make_span(trace, name="", id=b"\1" * 8, kind=9, start=5, took=-5, attributes=large, status=2, message="bad")
    usual = make_span(
        trace, id=b"\2" * 8, parent=b"\1" * 8, kind=2, events=[("event", 7, nested)], links=[(trace, b"\3" * 8, nested)]
    )
    twice = make_span(trace, id=b"\2" * 8, parent=b"\2" * 8, kind=3, state="a=b")
    body = request(resource_spans("a", odd, usual, usual), resource_spans(None, twice, resource={"host": "h"}))
    await post(backend, body)
    encoded = await read(backend, trace, None)
    assert encoded == await read(backend, trace, DialectCapabilities(v3=True))
    assert len(encoded.spans) == 3
    assert {span.service for span in encoded.spans} == {"a", "missing-service-name"}


async def test_protobuf_is_for_those_who_ask_for_it(backend: Backend) -> None:
    trace, large = trace_id(), trace_id()
    await post(backend, one("a", make_span(trace)))
    await post(backend, one("a", make_span(large, attributes={"text": "x" * 20_000})))
    path = f"/api/v3/traces/{trace.hex()}"
    for target, headers, wanted in (
        (path + "?raw_traces=true", ACCEPT, "application/x-protobuf"),
        (path + "?raw_traces=true", EITHER, "application/json"),
        (f"/api/v3/traces/{large.hex()}?raw_traces=true", EITHER, "application/x-protobuf"),
        (path + "?raw_traces=true", "Accept: */*\r\n", "application/json"),
        (path, ACCEPT, "application/json"),  # Jaeger's adjustments are made in its JSON only
        (f"/api/v3/traces/{trace_id().hex()}?raw_traces=true", ACCEPT, "application/json"),
    ):
        status, answered, body = await (await Client.to(backend.query_port)).ask(target, headers)
        assert answered["content-type"] == wanted
        assert status == (404 if b"No traces" in body else 200)


@pytest.mark.parametrize("form", ["legacy", "v3", "protobuf"])
async def test_an_answer_is_made_in_pieces(backend: Backend, form: str) -> None:
    trace, count = trace_id(), 3000
    for first in range(0, count, 500):
        numbers = range(first + 1, first + 501)
        await post(backend, one("a", *(make_span(trace, id=number.to_bytes(8, "big")) for number in numbers)))
    stored = backend.store.traces[trace]
    taken = snapshot(stored, backend.store.scopes)
    pieces: Iterator[str | bytes]
    if form == "legacy":
        pieces = iter(legacy_json.trace_json(taken, raw=False))
    elif form == "v3":
        pieces = iter(otlp_document.resource_spans(taken, raw=False))
    else:
        pieces = traces_data.traces_data(taken)
    sizes = [len(piece) for piece in pieces]
    assert max(sizes) < sum(sizes) / 5
    assert len(as_legacy(stored, backend.store.scopes)["spans"]) == count
    (group,) = as_otlp(stored, backend.store.scopes)
    assert json.dumps(group).count('"spanId"') == count
