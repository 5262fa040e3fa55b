"""A page of another origin sends spans, as OpenTelemetry's exporters for browsers do: in Chromium, and by headers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from otlp_build import trace_id
from raw_http import Client, running, until

from devenv.backend import Backend

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

SEND = """
const [url, how, body, done] = arguments;
const headers = {"Content-Type": "application/json", "traceparent": "00-1"};
if (how === "beacon") {
  done(navigator.sendBeacon(url, new Blob([body], {type: "application/json"})));
} else {
  fetch(url, {method: "POST", headers, body}).then((answer) => done(answer.status), (error) => done(String(error)));
}
"""


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    async with running(cors_origins=("http://shop.test:*",)) as found:
        yield found


@asynccontextmanager
async def page() -> AsyncIterator[int]:
    """A page with its own origin, without a policy that forbids it to send: its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<p>a shop</p>")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


def request_of(trace: bytes) -> str:
    span = {"traceId": trace.hex(), "spanId": "0102030405060708", "name": "click", "kind": 1}
    span |= {"startTimeUnixNano": "1", "endTimeUnixNano": "2"}
    attributes = [{"key": "service.name", "value": {"stringValue": "page"}}]
    return json.dumps({"resourceSpans": [{"resource": {"attributes": attributes}, "scopeSpans": [{"spans": [span]}]}]})


@pytest.mark.browser
@pytest.mark.parametrize("how", ["fetch", "beacon"])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_a_page_of_another_origin_sends_spans(backend: Backend, browser: Chrome, host: str, how: str) -> None:
    trace = trace_id()
    async with page() as port:
        await asyncio.to_thread(browser.get, f"http://{host}:{port}/shop")
        url = f"http://127.0.0.1:{backend.otlp_port}/v1/traces"  # cross-site from `localhost`
        found = await asyncio.to_thread(browser.execute_async_script, SEND, url, how, request_of(trace))
    assert found == (True if how == "beacon" else 200), browser.get_log("browser")
    await until(lambda: backend.store.get(trace) is not None)


@pytest.mark.browser
async def test_a_page_cannot_read_the_traces(backend: Backend, browser: Chrome) -> None:
    async with page() as port:
        await asyncio.to_thread(browser.get, f"http://localhost:{port}/shop")
        ask = "const [url, done] = arguments; fetch(url).then(() => done('read'), () => done('refused'));"
        url = f"http://127.0.0.1:{backend.query_port}/api/services"
        assert await asyncio.to_thread(browser.execute_async_script, ask, url) == "refused"
    browser.get_log("browser")


def preflight(origin: str) -> str:
    asked = "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type\r\n"
    return f"Host: localhost\r\nOrigin: {origin}\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: cors\r\n{asked}"


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:5173", 204),
        ("http://shop.test:8000", 204),
        ("http://shop.test", 403),
        ("http://evil.test:8000", 403),
        ("null", 403),
    ],
)
async def test_who_may_send_is_told_by_the_header(backend: Backend, origin: str, status: int) -> None:
    client = await Client.to(backend.otlp_port)
    found, headers, _ = await client.ask("/v1/traces", preflight(origin), "OPTIONS")
    assert found == status
    assert headers.get("access-control-allow-origin") == (origin if status == 204 else None)


async def test_other_ports_answer_no_such_question(backend: Backend) -> None:
    for port in (backend.query_port, backend.health_port):
        client = await Client.to(port)
        _, headers, _ = await client.ask("/api/traces", preflight("http://localhost:5173"), "OPTIONS")
        assert not any(name.startswith("access-control") for name in headers)


async def test_an_error_can_be_read_by_the_page_too(backend: Backend) -> None:
    client = await Client.to(backend.otlp_port)
    origin = "Content-Type: application/json\r\nOrigin: http://localhost:5173\r\n"
    status, headers, _ = await client.post(b"{", origin)
    assert (status, headers["access-control-allow-origin"]) == (400, "http://localhost:5173")
