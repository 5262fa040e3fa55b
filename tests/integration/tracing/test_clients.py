"""Each HTTP client's integration with its real library over loopback."""

from __future__ import annotations

import aiohttp
import httpx
import pytest
import requests
from tracing_upstream import http_upstream

from devenv import tracing
from devenv.tracing.integrations import aiohttp_client, httpx_client, requests_client
from devenv.tracing.process import patching
from devenv.tracing.testing import recording

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


@pytest.fixture
def rec():
    with recording({"service_name": "lib"}) as made:
        yield made


@pytest.fixture
def patched():
    yield
    patching.restore_all()


@pytest.fixture
def upstream():
    with http_upstream() as made:
        yield made


async def with_aiohttp(url):
    configs = [tracing.aiohttp_trace_config()]
    async with aiohttp.ClientSession(trace_configs=configs) as session, session.get(url) as response:
        return response.status


async def with_patched_aiohttp(url):
    aiohttp_client.instrument()
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status


async def with_httpx(url):
    async with httpx.AsyncClient(transport=tracing.AsyncHTTPXTransport()) as client:
        return (await client.get(url)).status_code


async def with_httpx_sync(url):
    with httpx.Client(transport=tracing.HTTPXTransport()) as client:
        return client.get(url).status_code  # noqa: ASYNC212 - the server has its own thread


async def with_patched_httpx(url):
    httpx_client.instrument()
    async with httpx.AsyncClient() as client:
        return (await client.get(url)).status_code


async def with_patched_httpx_sync(url):
    httpx_client.instrument()
    return httpx.get(url).status_code  # noqa: ASYNC210 - the server has its own thread


async def with_requests(url):
    with requests.Session() as session:
        session.mount("http://", requests_client.TracedAdapter())
        return session.get(url).status_code


async def with_patched_requests(url):
    requests_client.instrument()
    return requests.get(url, timeout=5).status_code  # noqa: ASYNC210 - the server has its own thread


CLIENTS = [
    with_aiohttp,
    with_patched_aiohttp,
    with_httpx,
    with_httpx_sync,
    with_patched_httpx,
    with_patched_httpx_sync,
    with_requests,
    with_patched_requests,
]


@pytest.mark.parametrize("get", CLIENTS)
async def test_http_clients(rec, patched, upstream, get):
    with tracing.attached({"traceparent": f"00-{TRACE}-{PARENT}-01", "baggage": "k=v"}), tracing.span("caller"):
        assert await get(f"{upstream.url}/a?token=abc") == 200
        assert await get(f"{upstream.url}/500") == 500
    caller = rec.span("caller")
    good, bad = rec.spans("GET")
    assert good.parent_id == bad.parent_id == caller.span_id
    assert (good.kind, good.status, bad.status) == ("client", "unset", "error")
    assert good.attributes["url.full"] == f"{upstream.url}/a?token=[REDACTED]"
    assert good.attributes["server.address"] == "127.0.0.1"
    assert str(good.attributes["server.port"]) == upstream.url.rpartition(":")[2]
    assert (good.attributes["http.response.status_code"], bad.attributes["error.type"]) == (200, "500")
    assert [headers["traceparent"] for headers in upstream.got] == [
        f"00-{TRACE}-{span.span_id}-01" for span in (good, bad)
    ]
    assert all(headers["baggage"] == "k=v" for headers in upstream.got)


@pytest.mark.parametrize("get", CLIENTS)
async def test_http_clients_below_an_unsampled_parent(rec, patched, upstream, get):
    with tracing.attached({"traceparent": f"00-{TRACE}-{PARENT}-00"}):
        await get(upstream.url)
        await get(upstream.url)
    assert rec.spans() == []
    first, second = (headers["traceparent"] for headers in upstream.got)
    assert first.startswith(f"00-{TRACE}-")
    assert first.endswith("-00")
    assert first != second


@pytest.mark.parametrize("get", CLIENTS)
async def test_http_clients_that_reach_nobody(rec, patched, get):
    with pytest.raises((OSError, httpx.ConnectError)):
        await get("http://127.0.0.1:1/")
    found = rec.span("GET")
    assert found.status == "error"
    assert found.attributes["error.type"]
    assert found.events[0][0] == "exception"


def test_requests_errors_are_raised_as_they_are(rec, patched):
    requests_client.instrument()
    with pytest.raises(requests.ConnectionError):
        requests.get("http://127.0.0.1:1/", timeout=2)
    assert rec.span("GET").attributes["error.type"] == "requests.exceptions.ConnectionError"
