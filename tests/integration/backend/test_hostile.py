"""Hostile or slow clients: a correct status each time, no growth, and other clients are still served."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import pytest
from otlp_build import field, make_span, one, trace_id
from raw_http import PROTOBUF, Client, backend, running, until

from devenv.backend import Backend
from devenv.http.server import HttpRequest, Limits, Response, Route

MIB = 1024 * 1024
__all__ = ["backend"]  # a fixture


def _endless_pages(store: Any) -> list[Route]:
    def endless(request: HttpRequest) -> Response:
        return Response(body=iter(lambda: b"x" * 65536, b""))

    return [Route("GET", "/endless", endless)]


# --- hostile bodies ---------------------------------------------------------------------------------------------------


async def test_a_gzip_bomb_is_refused_and_the_next_client_served(backend: Backend) -> None:
    bomb = gzip.compress(bytes(128 * MIB), 9)
    assert len(bomb) < MIB
    client = await Client.to(backend.otlp_port)
    status, headers, _ = await client.post(bomb, PROTOBUF + "Content-Encoding: gzip\r\n")
    assert (status, headers["content-type"]) == (413, "application/x-protobuf")
    assert (await client.post(one("a", make_span(trace_id()))))[0] == 200


@pytest.mark.parametrize(
    ("encoding", "body", "status"),
    [
        ("gzip", b"not gzip", 400),
        ("gzip", gzip.compress(b"abc" * 100, mtime=0)[:-9], 400),
        ("gzip", b"", 400),
        ("gzip", gzip.compress(b"", mtime=0) + gzip.compress(b"", mtime=0), 200),
        ("br", b"x", 415),
        ("identity", b"", 200),
    ],
)
async def test_encodings(backend: Backend, encoding: str, body: bytes, status: int) -> None:
    client = await Client.to(backend.otlp_port)
    assert (await client.post(body, f"{PROTOBUF}Content-Encoding: {encoding}\r\n"))[0] == status


async def test_the_limit_is_of_the_body_as_it_is_and_as_it_becomes() -> None:
    async with running(limits=Limits(body_bytes=1000)) as backend:
        client = await Client.to(backend.otlp_port)
        small, large = gzip.compress(bytes(1000)), gzip.compress(bytes(1001))
        assert (await client.post(small, "Content-Type: application/json\r\nContent-Encoding: gzip\r\n"))[0] == 400
        assert (await client.post(large, PROTOBUF + "Content-Encoding: gzip\r\n"))[0] == 413
        assert (await client.post(b"x" * 1001))[0] == 413
        assert await client.ended()
        chunked = await Client.to(backend.otlp_port)
        chunked.send(f"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\n{PROTOBUF}Transfer-Encoding: chunked\r\n\r\n")
        chunked.send(b"3e9\r\n" + b"x" * 1001)
        assert (await chunked.answer())[0] == 413


async def test_a_million_attributes_are_refused_and_said_so(backend: Backend) -> None:
    part = b"\x4a\x08\x0a\x01k\x12\x03\x0a\x01v"
    span = make_span(trace_id()).SerializeToString() + part * 1_000_000
    good = make_span(trace_id()).SerializeToString()

    body = field(1, field(2, field(2, span) + field(2, good)))
    client = await Client.to(backend.otlp_port)
    status, _, answer = await client.post(body)
    assert status == 200
    assert b"larger than 4 MiB" in answer
    assert (backend.stats()["spans_stored"], backend.stats()["spans_rejected"]) == (1, 1)


@pytest.mark.parametrize("body", [b"[" * 200_000, b'{"resourceSpans":' + b"[" * 100_000, b'{"a":' * 5000])
async def test_deeply_nested_json_is_a_bad_request(backend: Backend, body: bytes) -> None:
    client = await Client.to(backend.otlp_port)
    assert (await client.post(body, "Content-Type: application/json\r\n"))[0] == 400


async def test_deeply_nested_values_cost_no_other_span_in_either_form(backend: Backend) -> None:
    value: dict[str, Any] = {"stringValue": "deep"}
    for _ in range(101):
        value = {"arrayValue": {"values": [value]}}
    span = {"traceId": "1" * 32, "spanId": "2" * 16, "attributes": [{"key": "k", "value": value}]}
    other = {"traceId": "1" * 32, "spanId": "3" * 16}
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span, other]}]}]}).encode()
    client = await Client.to(backend.otlp_port)
    assert (await client.post(body, "Content-Type: application/json\r\n"))[0] == 200
    assert (backend.stats()["spans_stored"], backend.stats()["spans_rejected"]) == (1, 1)
    nested = field(1, b"deep")
    for _ in range(101):
        nested = field(5, field(1, nested))
    deep = make_span(trace_id()).SerializeToString() + field(9, field(1, b"k") + field(2, nested))
    good = make_span(trace_id()).SerializeToString()
    assert (await client.post(field(1, field(2, field(2, deep) + field(2, good)))))[0] == 200
    assert (backend.stats()["spans_stored"], backend.stats()["spans_rejected"]) == (2, 2)


async def test_a_bad_span_leaves_nothing_of_its_request_behind(backend: Backend) -> None:
    good = one("a", *(make_span(trace_id()) for _ in range(1000)))
    client = await Client.to(backend.otlp_port)
    assert (await client.post(good + b"\x0a\x08\x12\x06\x12\x04\x0a\x03abc"))[0] == 400
    assert backend.stats()["spans_received"] == 0


# --- slow and many ----------------------------------------------------------------------------------------------------

SHORT = Limits(header_time=0.4, body_stall=0.4, body_time=2.0, idle_time=0.4, write_stall=0.4, connections=50)


async def test_a_slow_header_and_a_stalled_body_time_out() -> None:
    async with running(limits=SHORT) as backend:
        header, body = await Client.to(backend.otlp_port), await Client.to(backend.otlp_port)
        header.send("POST /v1/traces HT")
        body.send(f"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\n{PROTOBUF}Content-Length: 9\r\n\r\nabc")
        assert (await header.answer())[0] == 408
        assert (await body.answer())[0] == 408
        assert await header.ended()
        assert await body.ended()


async def test_a_body_that_trickles_for_ever_times_out() -> None:
    async with running(limits=SHORT) as backend:
        client = await Client.to(backend.otlp_port)
        client.send(f"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\n{PROTOBUF}Content-Length: 99999\r\n\r\n")
        answer = asyncio.create_task(client.answer())
        while not answer.done():
            client.send(b"x")
            await asyncio.sleep(0.05)
        assert (await answer)[0] == 408


async def test_idle_connections_are_closed() -> None:
    async with running(limits=SHORT) as backend:
        silent, used = await Client.to(backend.query_port), await Client.to(backend.query_port)
        await used.ask("/api/services")
        assert await silent.ended()
        assert await used.ended()
        await until(lambda: not backend._query.connections)


async def test_a_client_that_does_not_read_is_cut_off() -> None:
    async with running(limits=SHORT, pages=_endless_pages) as backend:
        client = await Client.to(backend.query_port)
        client.send("GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await until(lambda: len(backend._query.connections) == 1)
        await until(lambda: not backend._query.connections)
        client.writer.transport.abort()


async def test_a_thousand_idle_connections_do_not_shut_out_the_next() -> None:
    async with running() as backend:
        idle = [await Client.to(backend.otlp_port) for _ in range(1000)]
        await until(lambda: len(backend._otlp.connections) <= backend.settings.limits.connections)
        assert (await (await Client.to(backend.otlp_port)).post(one("a", make_span(trace_id()))))[0] == 200
        assert len(backend._otlp.connections) <= backend.settings.limits.connections
        for client in idle:
            client.writer.transport.abort()


async def test_all_bodies_together_are_bounded() -> None:
    async with running(limits=Limits(buffered=10_000)) as backend:
        head = f"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\n{PROTOBUF}Content-Length: 9000\r\n\r\n"
        first, second = await Client.to(backend.otlp_port), await Client.to(backend.otlp_port)
        first.send(head + "x" * 8000)
        await until(lambda: backend._otlp.budget.used == 8000)
        second.send(head + "x" * 8000)
        status, headers, _ = await second.answer()
        assert (status, headers["retry-after"]) == (503, "1")
        first.writer.transport.abort()
        second.writer.transport.abort()
        await until(lambda: backend._otlp.budget.used == 0)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("GET /" + "x" * 70_000 + " HTTP/1.1\r\nHost: localhost\r\n\r\n", 431),
        ("GET / HTTP/1.1\r\nHost: localhost\r\n" + "A: b\r\n" * 15_000 + "\r\n", 431),
        ("NONSENSE\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n", 400),
        ("POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n", 413),
        ("\x16\x03\x01\x02\x00\x01\x00", 400),
    ],
)
async def test_what_is_not_proper_http(backend: Backend, sent: str, status: int) -> None:
    client = await Client.to(backend.otlp_port)
    client.send(sent.encode("latin-1"))
    assert (await client.answer())[0] == status
    assert await client.ended()
