"""The client against servers that speak one dialect only, or none, as versions of Jaeger before and after 2.13 do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from devenv.errors import BackendUnavailable
from devenv.traces.client import TraceClient
from devenv.traces.dialect import DialectCapabilities
from devenv.traces.export import SpanExporter
from devenv.traces.http import HttpClient, TransportError
from devenv.traces.parts import parts_of
from devenv.traces.query import Query

Answer = tuple[int, str, Any]
Route = Callable[[dict[str, list[str]]], Answer]
PAGE: Answer = (200, "text/html", "<!doctype html><title>Jaeger UI</title>")
TRACE_ID = "a" * 32
SUMMARY = {
    "traceId": TRACE_ID.upper(),
    "rootServiceName": "gateway",
    "rootOperationName": "GET /",
    "minStartTimeUnixNano": "1000",
    "maxEndTimeUnixNano": "5000",
    "spanCount": 3,
    "services": [{"name": "gateway", "spanCount": 2}, {"name": "auth", "spanCount": 1, "errorSpanCount": 1}],
    "errorSpanCount": 1,
}
OTLP = {
    "result": {
        "resourceSpans": [
            {
                "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "gateway"}}]},
                "scopeSpans": [
                    {"spans": [{"traceId": TRACE_ID, "spanId": "b" * 16, "name": "GET /", "startTimeUnixNano": "7"}]}
                ],
            }
        ]
    }
}
QUERY = Query(service="gateway", start_ns=0, end_ns=10**9)


def said(value: Any, status: int = 200) -> Route:
    return lambda _: (status, "application/json", value)


class Server:
    """Answers by path; an unknown one gets the UI's page, as from Jaeger."""

    def __init__(self, routes: dict[str, Route]) -> None:
        self.routes = routes
        self.asked: list[str] = []
        self.connections = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                target = head.split(" ")[1]
                self.asked.append(target)
                parts = urlsplit(target)
                route = self.routes.get(parts.path, lambda _: PAGE)
                status, kind, value = route(parse_qs(parts.query))
                body = (value if isinstance(value, str) else json.dumps(value)).encode()
                writer.write(
                    f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n".encode()
                    + body
                )
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(routes: dict[str, Route]) -> AsyncIterator[tuple[TraceClient, Server]]:
    server = Server(routes)
    made = await asyncio.start_server(server.handle, "127.0.0.1", 0)
    try:
        async with TraceClient(f"http://127.0.0.1:{made.sockets[0].getsockname()[1]}/base", timeout=5) as client:
            server.routes = {f"/base{path}": route for path, route in routes.items()}
            yield client, server
    finally:
        made.close()


V3 = {
    "/api/v3/services": said({"services": ["gateway", "auth"]}),
    "/api/v3/operations": said({"operations": [{"name": "GET /", "spanKind": "server"}, {"name": "bare"}]}),
    "/api/v3/trace-summaries": said({"summaries": [SUMMARY]}),
    "/api/v3/traces": said(OTLP),
    f"/api/v3/traces/{TRACE_ID}": said(OTLP),
}


async def test_a_server_of_v3_alone_answers_everything_but_dependencies() -> None:
    async with serving(V3) as (client, server):
        assert await client.probe() == DialectCapabilities(summaries=True, v3=True)
        assert await client.services() == ["auth", "gateway"]
        assert [(each.name, each.kind) for each in await client.operations("gateway")] == [
            ("GET /", "server"),
            ("bare", ""),
        ]
        (summary,) = await client.search(QUERY)
        assert (summary.trace_id, summary.spans, summary.errors, summary.duration_ns) == (TRACE_ID, 3, 1, 4000)
        assert summary.services == (("gateway", 2, 0), ("auth", 1, 1))
        assert [trace.trace_id for trace in await client.find(QUERY)] == [TRACE_ID]
        assert set(await client.traces([TRACE_ID])) == {TRACE_ID}
        with pytest.raises(BackendUnavailable, match="/api/dependencies answered 200"):
            await client.dependencies(1, 1)
        assert not [target for target in server.asked if target.startswith("/base/api/traces")]


async def test_parts_of_a_request_are_found_by_attribute_in_v3() -> None:
    async with serving(V3) as (client, server):
        (part,) = await parts_of(client, "c" * 32, start_ns=0, end_ns=1)
        assert part.trace_id == TRACE_ID
        searches = [parse_qs(urlsplit(target).query) for target in server.asked if "/api/v3/traces?" in target]
        assert [each["query.attributes"] for each in searches] == [[f'{{"devenv.request":"{"c" * 32}"}}']] * 2
        assert await parts_of(client, TRACE_ID, start_ns=0, end_ns=1) == []


async def test_a_server_of_the_legacy_dialect_alone() -> None:
    trace = {
        "traceID": TRACE_ID,
        "processes": {"p": {"serviceName": "gateway"}},
        "spans": [
            {"traceID": TRACE_ID, "spanID": "b", "operationName": "x", "startTime": 1, "duration": 1, "processID": "p"}
        ],
    }
    routes = {
        "/api/services": said({"data": None, "errors": None}),
        "/api/operations": said({"data": [{"name": "x", "spanKind": "client"}]}),
        "/api/traces": said({"data": [trace]}),
        f"/api/traces/{TRACE_ID}": said({"data": [trace]}),
        "/api/dependencies": said({"data": [{"parent": "a", "child": "b", "callCount": 3}]}),
    }
    async with serving(routes) as (client, _):
        assert await client.probe() == DialectCapabilities(legacy=True)
        assert await client.services() == []
        assert [each.kind for each in await client.operations("x")] == ["client"]
        assert [summary.trace_id for summary in await client.search(QUERY)] == [TRACE_ID]
        found = await client.trace(TRACE_ID)
        assert found is not None
        assert found.services == ("gateway",)
        assert [(each.parent, each.child, each.calls) for each in await client.dependencies(1, 1)] == [("a", "b", 3)]


async def test_empty_lists_that_stand_as_an_empty_object_in_plain_text() -> None:
    empty: Route = lambda _: (200, "text/plain", "{}")  # noqa: E731 - a route like the others
    async with serving({"/api/v3/services": empty, "/api/v3/trace-summaries": empty}) as (client, _):
        assert await client.probe() == DialectCapabilities(summaries=True, v3=True)
        assert await client.services() == []
        assert await client.search(QUERY) == []


async def test_no_match_is_404_and_no_error() -> None:
    missing = said({"error": {"httpCode": 404, "message": "No traces found"}}, 404)
    async with serving(V3 | {"/api/v3/traces": missing, f"/api/v3/traces/{TRACE_ID}": missing}) as (client, _):
        assert await client.find(QUERY) == []
        assert await client.trace(TRACE_ID) is None


async def test_pages_alone_are_no_trace_backend() -> None:
    async with serving({}) as (client, _):
        with pytest.raises(BackendUnavailable, match="does not provide a Jaeger query API"):
            await client.probe()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (said({"error": {"message": "boom"}}, 500), "answered 500: .*boom"),
        (lambda _: PAGE, "answered 200"),
        (said({"summaries": [{"spanCount": 1}]}), "unexpected response format"),
        (said({"summaries": [7]}), "unexpected response format"),
    ],
)
async def test_answers_that_are_not_jaegers(answer: Route, message: str) -> None:
    async with serving(V3) as (client, server):
        await client.probe()
        server.routes["/base/api/v3/trace-summaries"] = answer
        with pytest.raises(BackendUnavailable, match=message):
            await client.search(QUERY)


async def test_a_search_that_is_too_deep_is_made_less_deep() -> None:
    def limited(fields: dict[str, list[str]]) -> Answer:
        if int(fields["query.search_depth"][0]) >= 30:
            return 500, "application/json", {"error": {"message": "search depth must be less than max traces"}}
        return 200, "application/json", {"summaries": [SUMMARY]}

    async with serving(V3) as (client, server):
        await client.probe()
        server.routes["/base/api/v3/trace-summaries"] = limited
        assert len(await client.search(Query(service="a", start_ns=0, end_ns=1, limit=100))) == 1
        asked = [parse_qs(urlsplit(target).query) for target in server.asked if target.endswith("service_name=a")]
        depths = [fields["query.num_traces"][0] for fields in asked]
        assert depths == ["100", "50", "25"]


async def test_errors_in_any_span_of_the_trace_are_found_and_the_rest_is_left_out() -> None:
    fine = {**SUMMARY, "traceId": "d" * 32, "errorSpanCount": 0}
    async with serving(V3 | {"/api/v3/trace-summaries": said({"summaries": [SUMMARY, fine]})}) as (client, _):
        found = await client.search(Query(start_ns=0, end_ns=1, errors_only=True))
        assert [summary.trace_id for summary in found] == [TRACE_ID]
        assert len(await client.search(Query(start_ns=0, end_ns=1))) == 2


async def test_the_embedded_backend_is_asked_what_it_let_go() -> None:
    def evicted(fields: dict[str, list[str]]) -> Answer:
        return 200, "application/json", {"evicted": [each for each in fields["traceID"] if each.startswith("e")]}

    async with serving(V3 | {"/api/devenv/evicted": evicted}) as (client, _):
        assert (await client.probe()).embedded
        ids = [f"{letter}{number:031x}" for letter in "ef" for number in range(60)]
        assert await client.evicted(ids) == frozenset(ids[:60])


async def test_connections_are_reused_and_bounded() -> None:
    missing = {f"/api/v3/traces/{number:032x}": said({}, 404) for number in range(200)}
    async with serving(V3 | missing) as (client, server):
        await client.traces([f"{number:032x}" for number in range(200)])
        assert server.connections <= 8


async def test_a_connection_closed_meanwhile_is_made_anew() -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    made = await asyncio.start_server(once, "127.0.0.1", 0)
    async with HttpClient(f"http://127.0.0.1:{made.sockets[0].getsockname()[1]}") as http:
        assert [(await http.request("GET", "/")).status for _ in range(3)] == [200, 200, 200]
    made.close()


@pytest.mark.parametrize(
    ("answer", "message"),
    [(b"SSH-2.0\r\n", "not HTTP"), (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", "closed before")],
)
async def test_what_is_no_whole_answer(answer: bytes, message: str) -> None:
    async def broken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    made = await asyncio.start_server(broken, "127.0.0.1", 0)
    async with HttpClient(f"http://127.0.0.1:{made.sockets[0].getsockname()[1]}") as http:
        with pytest.raises(TransportError, match=message):
            await http.request("GET", "/")
    made.close()


async def test_a_body_that_ends_with_the_connection_is_whole() -> None:
    async def until_closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        writer.close()

    made = await asyncio.start_server(until_closed, "127.0.0.1", 0)
    async with HttpClient(f"http://127.0.0.1:{made.sockets[0].getsockname()[1]}") as http:
        assert (await http.request("GET", "/")).body == b"all of it"
    made.close()


async def test_silence_is_given_up() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    made = await asyncio.start_server(silent, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{made.sockets[0].getsockname()[1]}"
    async with TraceClient(url, timeout=0.05) as client:
        with pytest.raises(BackendUnavailable, match=r"no answer from 127.0.0.1:\d+ in 0.05 s"):
            await client.services()
    made.close()


async def test_a_receiver_that_refuses_spans() -> None:
    async with serving({"/v1/traces": said({}, 503)}) as (client, _), SpanExporter(client.query_url) as exporter:
        with pytest.raises(BackendUnavailable, match="POST /v1/traces answered 503"):
            await exporter.export([])
