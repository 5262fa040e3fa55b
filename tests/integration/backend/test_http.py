"""The backend over real sockets: HTTP as clients really speak it, and who may ask."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from otlp_build import make_span, one, trace_id
from raw_http import PROTOBUF, Client, running

from devenv.backend import Backend, EmbeddedSettings, serve
from devenv.errors import PortTaken
from devenv.http.server import HttpRequest, Response, Route


def _slow_pages(store: Any) -> list[Route]:
    async def slow(request: HttpRequest) -> Response:
        await asyncio.sleep(0.05)
        return Response.text(f"slow {request.query}")

    def broken(request: HttpRequest) -> Response:
        raise RuntimeError("a bug")

    def endless(request: HttpRequest) -> Response:
        return Response(body=iter(lambda: b"x" * 65536, b""))

    def broken_later(request: HttpRequest) -> Response:
        def pieces() -> Any:
            yield b"x"
            raise RuntimeError("a bug")

        return Response(body=pieces())

    handlers = {"/slow": slow, "/broken": broken, "/endless": endless, "/broken-later": broken_later}
    return [Route("GET", path, handler) for path, handler in handlers.items()]


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    async with running(pages=_slow_pages) as found:
        yield found


# --- ports ------------------------------------------------------------------------------------------------------------


async def test_the_three_ports(backend: Backend) -> None:
    status, _, body = await (await Client.to(backend.health_port)).ask("/status")
    assert (status, json.loads(body)["status"]) == (200, "StatusOK")
    assert (await (await Client.to(backend.query_port)).ask("/api/services"))[0] == 200
    assert (await (await Client.to(backend.otlp_port)).ask("/v1/traces"))[0] == 405
    assert (await (await Client.to(backend.otlp_port)).ask("/api/services"))[0] == 404


async def test_a_taken_port_is_told_and_no_other_is_held(backend: Backend) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        otlp_port = free.getsockname()[1]
    with pytest.raises(PortTaken) as raised:
        await serve(EmbeddedSettings(otlp_port=otlp_port, query_port=backend.query_port, health_port=0))
    assert str(backend.query_port) in raised.value.message
    assert raised.value.details["port"] == backend.query_port
    with socket.socket() as again:
        again.bind(("127.0.0.1", otlp_port))


async def test_close_frees_the_ports_and_ends_connections() -> None:
    async with running() as backend:
        client = await Client.to(backend.query_port)
        await client.ask("/api/services")
        port = backend.query_port
    assert await client.ended()
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # closed connections may linger, no listener
        again.bind(("127.0.0.1", port))


async def test_it_is_bound_to_loopback(backend: Backend) -> None:
    for listener in (backend._otlp, backend._query, backend._health):
        assert "127.0.0.1" in listener.addresses
        assert set(listener.addresses) <= {"127.0.0.1", "::1"}


# --- HTTP -------------------------------------------------------------------------------------------------------------


async def test_keep_alive_pipelining_and_close(backend: Backend) -> None:
    client = await Client.to(backend.query_port)
    for number in (1, 2, 3):
        client.send(f"GET /slow?{number} HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert [(await client.answer())[2] for _ in range(3)] == [b"slow 1", b"slow 2", b"slow 3"]
    assert (await client.ask("/slow", "Connection: close\r\n"))[1]["connection"] == "close"
    assert await client.ended()


async def test_http_1_0_gets_a_whole_body_and_the_end_of_the_connection(backend: Backend) -> None:
    await (await Client.to(backend.otlp_port)).post(one("a", *(make_span(trace_id()) for _ in range(300))))
    client = await Client.to(backend.query_port)
    client.send("GET /api/traces?service=a&limit=300 HTTP/1.0\r\n\r\n")
    status, headers, _ = await client.answer(body=False)
    assert (status, "transfer-encoding" in headers) == (200, False)
    assert len(json.loads(await client.reader.read())["data"]) == 300


async def test_head_has_no_body(backend: Backend) -> None:
    client = await Client.to(backend.query_port)
    assert (await client.ask("/api/services", method="HEAD"))[1]["content-length"] != "0"
    assert (await client.ask("/api/services"))[0] == 200  # and the connection is not out of step


async def test_a_chunked_body_and_one_sent_byte_by_byte(backend: Backend) -> None:
    body = one("chunked", make_span(trace_id()))
    client = await Client.to(backend.otlp_port)
    client.send(f"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\n{PROTOBUF}Transfer-Encoding: chunked\r\n\r\n")
    for at in range(0, len(body), 50):
        piece = body[at : at + 50]
        client.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        await client.writer.drain()
    client.send("0\r\n\r\n")
    assert (await client.answer())[0] == 200
    head = f"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\n{PROTOBUF}Content-Length: {len(body)}\r\n\r\n".encode()
    for byte in head + body:
        client.send(bytes([byte]))
        await asyncio.sleep(0)
    assert (await client.answer())[0] == 200
    assert backend.stats()["spans_received"] == 2


async def test_expect_100_continue(backend: Backend) -> None:
    body = one("a", make_span(trace_id()))
    client = await Client.to(backend.otlp_port)
    headers = f"{PROTOBUF}Expect: 100-continue\r\nContent-Length: {len(body)}\r\n"
    client.send(f"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")
    assert (await client.answer())[0] == 100
    client.send(body)
    assert (await client.answer())[0] == 200


async def test_an_offer_to_upgrade_is_ignored(backend: Backend) -> None:
    body = one("a", make_span(trace_id()))
    client = await Client.to(backend.otlp_port)
    offer = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk\r\n"
    for _ in range(2):
        answer = await client.post(body, PROTOBUF + offer)
        assert answer[0] == 200, answer
    assert (await client.ask("/v1/traces", offer))[0] == 405
    assert backend.stats()["spans_received"] == 2


async def test_a_bug_in_a_handler_costs_one_answer(backend: Backend) -> None:
    client = await Client.to(backend.query_port)
    assert (await client.ask("/broken"))[0] == 500
    assert (await client.ask("/slow"))[0] == 200
    client.send("GET /broken-later HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (await client.answer(body=False))[0] == 200
    assert not (await client.reader.read()).endswith(
        b"0\r\n\r\n"
    )  # cut off, so that no client mistakes it for complete


async def test_every_answer_forbids_guessing_and_embedding(backend: Backend) -> None:
    client = await Client.to(backend.query_port)
    for path in ("/api/services", "/nothing", "/api/traces"):
        _, headers, _ = await client.ask(path)
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "access-control-allow-origin" not in headers


async def test_metrics_and_logs_are_counted(backend: Backend) -> None:
    client = await Client.to(backend.otlp_port)
    for path in ("/v1/metrics", "/v1/metrics", "/v1/logs"):
        client.send(f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{PROTOBUF}Content-Length: 0\r\n\r\n")
        assert (await client.answer())[0] == 200
    posts = backend.stats()["posts"]
    assert (posts["metrics"], posts["logs"], posts["traces"]) == (2, 1, 0)


# --- who may ask ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ("Host: localhost:4318\r\n", 200),
        ("Host: LOCALHOST\r\n", 200),
        ("Host: 127.0.0.1:1\r\n", 200),
        ("Host: [::1]:80\r\n", 200),
        ("Host: my-box\r\n", 200),
        ("Host: evil.example\r\n", 403),
        ("Host: localhost.evil.example\r\n", 403),
        ("Host: evil.example:4318\r\n", 403),
        ("Host: 127.0.0.1.nip.io\r\n", 403),
        ("Host: user@localhost\r\n", 403),
        ("Host: localhost\r\nHost: evil.example\r\n", 400),
        ("Host: \r\n", 403),
        ("Host: localhost\r\nOrigin: http://localhost:3000\r\nSec-Fetch-Site: same-site\r\n", 200),
        ("Host: localhost\r\nOrigin: https://evil.example\r\n", 403),
        ("Host: localhost\r\nOrigin: null\r\n", 403),
        ("Host: localhost\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n", 403),
        ("Host: localhost\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n", 200),
        ("Host: localhost\r\nSec-Fetch-Site: same-origin\r\n", 200),
    ],
)
async def test_foreign_hosts_and_sites_are_refused(headers: str, status: int) -> None:
    async with running(host_names=("my-box",)) as backend:
        assert (await (await Client.to(backend.query_port)).ask("/api/services", headers))[0] == status


async def test_a_cross_site_post_is_refused_before_its_body_and_stores_nothing(backend: Backend) -> None:
    for headers in ("Origin: https://evil.example\r\n", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n"):
        client = await Client.to(backend.otlp_port)
        client.send(f"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\n{headers}{PROTOBUF}Content-Length: 99\r\n\r\n")
        assert (await client.answer())[0] == 403
    assert backend.stats()["posts"]["traces"] == 0


async def test_without_a_host(backend: Backend) -> None:
    client = await Client.to(backend.query_port)
    client.send("GET /api/services HTTP/1.1\r\n\r\n")
    assert (await client.answer())[0] == 400
