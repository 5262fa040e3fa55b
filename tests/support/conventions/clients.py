"""The cases of HTTP clients: each sends the same requests to the tests' server, and one that is refused."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import httpx
import requests
import tornado.httpclient
import urllib3
import websockets.asyncio.client
import websockets.asyncio.server
import websockets.exceptions
import websockets.sync.client
import websockets.sync.server
from conventions.cases import Place, Steps, case, raising
from conventions.check import Expected, expected

from devenv import tracing
from devenv.tracing.integrations import aiohttp_client, httpx_client, requests_client, urllib3_client, urllib_client
from devenv.tracing.integrations.web import tornado_client, websockets_client

Send = Callable[[str, str], Awaitable[Any]]
"""Sends a request with a method to a URL."""

REFUSED = "http://127.0.0.1:1/"
NO_ANSWER = ("-responded", "-connected", "failed")


async def exchange(place: Place, send: Send, *, follows: bool = True) -> AsyncIterator[list[Expected]]:
    """Send the requests, and yield what is expected of each; `follows`: a redirect is a further span."""
    url = place.upstream.url
    with tracing.span("caller"):
        await send("GET", f"{url}/a?b=1")
        yield [expected("http.client")]
        await send("GET", f"{url}/500")
        yield [expected("http.client", "failed")]
        await send("GET", f"{url}/redirect")
        yield [expected("http.client"), *([expected("http.client", "resent")] if follows else ())]
        await send("PURGE", f"{url}/a")
        yield [expected("http.client", "other-method", "failed")]
        with raising(OSError, httpx.HTTPError, urllib3.exceptions.HTTPError):
            await send("GET", REFUSED)
        yield [expected("http.client", *NO_ANSWER)]


@case("httpx_client [synchronous]")
async def by_httpx(place: Place) -> AsyncIterator[list[Expected]]:
    httpx_client.instrument()
    with httpx.Client(follow_redirects=True) as client:

        async def send(method: str, url: str) -> None:
            client.request(method, url)  # noqa: ASYNC212 - the server has its own thread

        async for step in exchange(place, send):
            yield step


@case("httpx_client [asynchronous]")
async def by_httpx_async(place: Place) -> AsyncIterator[list[Expected]]:
    httpx_client.instrument()
    async with httpx.AsyncClient(follow_redirects=True) as client:
        async for step in exchange(place, client.request):
            yield step


@case("requests_client")
async def by_requests(place: Place) -> AsyncIterator[list[Expected]]:
    requests_client.instrument()
    urllib3_client.instrument()

    async def send(method: str, url: str) -> None:
        requests.request(method, url, timeout=10)  # noqa: ASYNC210 - the server has its own thread

    async for step in exchange(place, send):
        yield step
    retries = urllib3.Retry(1, backoff_factor=0, status_forcelist=[500], raise_on_status=False)
    with requests.Session() as session:
        session.mount("http://", requests.adapters.HTTPAdapter(max_retries=retries))
        session.get(f"{place.upstream.url}/500", timeout=10)
    yield [expected("http.client", "failed"), expected("http.client", "failed", "resent")]


@case("urllib3_client")
async def by_urllib3(place: Place) -> AsyncIterator[list[Expected]]:
    urllib3_client.instrument()
    with urllib3.PoolManager(retries=urllib3.Retry(connect=0, redirect=2)) as pool:

        async def send(method: str, url: str) -> None:
            pool.request(method, url)

        async for step in exchange(place, send):
            yield step


@case("urllib_client")
def by_urllib(place: Place) -> Steps:
    urllib_client.instrument()

    async def send(method: str, url: str) -> None:
        try:
            request = urllib.request.Request(url, method=method)
            urllib.request.urlopen(request, timeout=10).close()  # noqa: ASYNC210 - the server has its own thread
        except urllib.error.HTTPError as error:
            error.close()

    return exchange(place, send)


async def by_session(place: Place, **options: Any) -> AsyncIterator[list[Expected]]:
    async with aiohttp.ClientSession(**options) as session:

        async def send(method: str, url: str) -> None:
            async with session.request(method, url) as response:
                await response.read()

        async for step in exchange(place, send):
            yield step


@case("aiohttp_client")
def by_aiohttp(place: Place) -> Steps:
    aiohttp_client.instrument()
    return by_session(place)


@case("aiohttp_trace_config")
def by_trace_config(place: Place) -> Steps:
    return by_session(place, trace_configs=[tracing.aiohttp_trace_config()])


@case("web.tornado_client")
def by_tornado(place: Place) -> Steps:
    tornado_client.instrument()

    async def send(method: str, url: str) -> None:
        client = tornado.httpclient.AsyncHTTPClient(force_instance=True)
        await client.fetch(url, method=method, allow_nonstandard_methods=True, raise_error=url == REFUSED)
        client.close()

    return exchange(place, send, follows=False)


@case("client_span")
def by_hand(place: Place) -> Steps:
    url = place.upstream.url
    for status in (200, 500):
        with tracing.client_span("GET", f"{url}/a", {}) as span:
            span.set_attribute("http.response.status_code", status)
        yield [expected("http.client", *(("failed",) if status == 500 else ()))]
    with raising(OSError), tracing.client_span("PURGE", f"{url}/a"):
        raise OSError("own")
    yield [expected("http.client", "other-method", *NO_ANSWER)]


@case("web.websockets_client [asynchronous]")
async def by_websockets(_place: Place) -> AsyncIterator[list[Expected]]:
    websockets_client.instrument()

    async def serve(connection: Any) -> None:
        await connection.recv()

    def refuse(connection: Any, request: Any) -> Any:
        return connection.respond(403, "no") if request.path == "/no" else None

    async with websockets.asyncio.server.serve(serve, "127.0.0.1", 0, process_request=refuse) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with websockets.asyncio.client.connect(f"{url}/room") as connection:
            await connection.send("a")
        yield [expected("http.client")]
        with raising(websockets.exceptions.InvalidStatus):
            await websockets.asyncio.client.connect(f"{url}/no")
        yield [expected("http.client", "failed")]


@case("web.websockets_client [synchronous]")
def by_websockets_sync(_place: Place) -> Steps:
    websockets_client.instrument_sync()
    with websockets.sync.server.serve(lambda connection: connection.recv(), "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with websockets.sync.client.connect(f"ws://127.0.0.1:{server.socket.getsockname()[1]}/room") as connection:
            connection.send("a")
        yield [expected("http.client")]
        server.shutdown()
        thread.join()
