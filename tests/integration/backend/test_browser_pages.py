"""A page of another origin sends spans, as OpenTelemetry's exporters for browsers do: in Chromium, and by headers.

To the embedded backend, and to a real Jaeger with the configuration that devenv writes for it.
"""

from __future__ import annotations

import asyncio
import json
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from otlp_build import trace_id
from raw_http import Client, running, until
from servers.jaeger import answers, free_ports

from devenv.backend import Backend
from devenv.model.extension import Jaeger, StackExtension
from devenv.orchestrate.jaeger import configuration

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


def on_free_ports(config: Any) -> dict[str, int]:
    """Change each address of a configuration to a free port of loopback; the new ports by the old ones."""
    changed: dict[str, int] = {}

    def change(part: Any) -> None:
        for key, value in part.items() if isinstance(part, dict) else ():
            if key == "endpoint":
                old = value.rpartition(":")[2]
                (changed[old],) = free_ports(1)
                part[key] = f"127.0.0.1:{changed[old]}"
            change(value)

    change(config)
    return changed


@asynccontextmanager
async def configured_jaeger(program: str, folder: Path) -> AsyncIterator[tuple[int, int]]:
    """A Jaeger as `devenv up` configures it: its ports of OTLP over HTTP, and of the query API."""
    config = configuration(StackExtension(jaeger=Jaeger(cors_origins=("http://shop.test:*",))))
    ports = on_free_ports(config)
    file = folder / "jaeger.json"
    file.write_text(json.dumps(config))
    process = await asyncio.create_subprocess_exec(program, "--config", str(file), stderr=DEVNULL)
    try:
        await until(lambda: answers(f"http://127.0.0.1:{ports['13133']}/status"), seconds=30)
        yield ports["4318"], ports["16686"]
    finally:
        process.terminate()
        await process.wait()


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
@pytest.mark.jaeger
async def test_a_page_of_another_origin_sends_spans_to_jaeger(jaeger: Any, browser: Chrome, tmp_path: Path) -> None:
    trace = trace_id()
    async with configured_jaeger(f"/proc/{jaeger.pid}/exe", tmp_path) as (otlp, query), page() as port:
        await asyncio.to_thread(browser.get, f"http://localhost:{port}/shop")
        url = f"http://127.0.0.1:{otlp}/v1/traces"
        found = await asyncio.to_thread(browser.execute_async_script, SEND, url, "fetch", request_of(trace))
        assert found == 200, browser.get_log("browser")
        async with httpx.AsyncClient(trust_env=False) as client:

            async def arrived() -> bool:
                return (await client.get(f"http://127.0.0.1:{query}/api/traces/{trace.hex()}")).is_success

            await until(arrived)
        for origin, allowed in (("http://shop.test:8000", True), ("http://evil.test:8000", False)):
            _, headers, _ = await (await Client.to(otlp)).ask("/v1/traces", preflight(origin), "OPTIONS")
            assert headers.get("access-control-allow-origin") == (origin if allowed else None)


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
