"""The same requests by the same program: measured by stock instrumentation, or by devenv.tracing.

`python compared.py stock|ours PROGRAM` prints each metric as one line of OTLP JSON; the servers are frameworks, the
clients have `_client` in their names.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from typing import Any

REQUESTS = (
    ("GET", "/items/1"),
    ("GET", "/items/2"),
    ("GET", "/missing"),
    ("GET", "/boom"),
    ("BREW", "/items/3"),
    ("GET", "/health"),
)


def with_fastapi(instrument: Callable[[Any], None]) -> None:
    import httpx
    from fastapi import FastAPI

    app = FastAPI(redirect_slashes=False)

    def item(number: int) -> int:
        return number

    app.add_api_route("/items/{number}", item, methods=["GET", "BREW"])
    app.add_api_route("/boom", _boom)
    app.add_api_route("/health", item_of_nothing)
    instrument(app)

    async def main() -> None:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            for method, path in REQUESTS:
                await client.request(method, path)

    asyncio.run(main())


def with_flask(instrument: Callable[[Any], None]) -> None:
    import flask

    app = flask.Flask("shop")
    app.add_url_rule("/items/<number>", "item", lambda number: number, methods=["GET", "BREW"])
    app.add_url_rule("/boom", "boom", _boom)
    app.add_url_rule("/health", "health", item_of_nothing)
    instrument(app)
    client = app.test_client()
    for method, path in REQUESTS:
        client.open(path, method=method).get_data()


def with_aiohttp(instrument: Callable[[Any], None]) -> None:
    from aiohttp import ClientSession, web
    from aiohttp.test_utils import TestServer

    instrument(None)

    async def item(request: web.Request) -> web.Response:
        return web.Response(text="" if request.path == "/health" else request.match_info["number"])

    async def boom(_request: web.Request) -> web.Response:
        _boom()
        return web.Response()

    async def main() -> None:
        app = web.Application()
        app.router.add_route("*", "/items/{number}", item)
        app.router.add_get("/boom", boom)
        app.router.add_get("/health", item)
        async with TestServer(app) as server, ClientSession() as session:
            for method, path in REQUESTS:
                async with session.request(method, server.make_url(path)) as response:
                    await response.read()

    asyncio.run(main())


def _boom() -> None:
    raise ValueError("boom")


def item_of_nothing() -> str:
    return ""


class Answers(BaseHTTPRequestHandler):
    """Answers with the status in the path; 302 leads to 200."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(int(self.path[1:4]))
        self.send_header("Content-Length", "0")
        if self.path.startswith("/302"):
            self.send_header("Location", "/200")
        self.end_headers()

    do_BREW = do_GET  # noqa: N815 - the name that the server looks for

    def log_message(self, *_args: Any) -> None:
        pass


CALLS = (("GET", "/200?a=1"), ("GET", "/200"), ("GET", "/404"), ("GET", "/500"), ("GET", "/302"), ("BREW", "/200"))


@contextmanager
def answering() -> Iterator[list[tuple[str, str]]]:
    """A server of this process; yields the calls, the last of which no server answers."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    url = f"http://localhost:{server.server_port}"
    try:
        yield [*((method, url + path) for method, path in CALLS), ("GET", "http://localhost:9/")]
    finally:
        server.shutdown()


def with_httpx_client(instrument: Callable[[Any], None]) -> None:
    import httpx

    instrument(None)
    with answering() as calls, httpx.Client(follow_redirects=True) as client:
        for method, url in calls:
            with suppress(httpx.ConnectError):
                client.request(method, url)


def with_requests_client(instrument: Callable[[Any], None]) -> None:
    import requests

    instrument(None)
    with answering() as calls, requests.Session() as session:
        for method, url in calls:
            with suppress(requests.ConnectionError):
                session.request(method, url)


def with_urllib3_client(instrument: Callable[[Any], None]) -> None:
    import urllib3

    instrument(None)
    with answering() as calls, urllib3.PoolManager() as pool:
        for method, url in calls:
            with suppress(urllib3.exceptions.MaxRetryError):
                pool.request(method, url, retries=urllib3.Retry(connect=0))


def with_urllib_client(instrument: Callable[[Any], None]) -> None:
    from urllib.error import URLError
    from urllib.request import Request, urlopen

    instrument(None)
    with answering() as calls:
        for method, url in calls:
            with suppress(URLError):
                urlopen(Request(url, method=method)).read()


def with_aiohttp_client(instrument: Callable[[Any], None]) -> None:
    from aiohttp import ClientConnectionError, ClientSession

    instrument(None)

    async def main() -> None:
        with answering() as calls:
            async with ClientSession() as session:
                for method, url in calls:
                    with suppress(ClientConnectionError):
                        async with session.request(method, url) as response:
                            await response.read()

    asyncio.run(main())


PROGRAMS = {name.removeprefix("with_"): found for name, found in list(globals().items()) if name.startswith("with_")}


def stock(program: str) -> None:
    from google.protobuf.json_format import MessageToDict
    from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
    from opentelemetry.metrics import set_meter_provider
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    reader = InMemoryMetricReader()
    set_meter_provider(MeterProvider([reader]))
    PROGRAMS[program](lambda app: _instrument(program, app))
    for resource in encode_metrics(reader.get_metrics_data()).resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                sys.stdout.write(json.dumps(MessageToDict(metric)) + "\n")


def _instrument(program: str, app: Any) -> None:
    if program == "fastapi":
        from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

        FastAPIInstrumentor.instrument_app(app, excluded_urls="health")
    elif program == "flask":
        from opentelemetry.instrumentation.flask import FlaskInstrumentor

        FlaskInstrumentor().instrument_app(app, excluded_urls="health")
    else:
        module, maker = STOCK[program]
        getattr(import_module(f"opentelemetry.instrumentation.{module}"), maker)().instrument()


STOCK = {
    "aiohttp": ("aiohttp_server", "AioHttpServerInstrumentor"),
    "aiohttp_client": ("aiohttp_client", "AioHttpClientInstrumentor"),
    "httpx_client": ("httpx", "HTTPXClientInstrumentor"),
    "requests_client": ("requests", "RequestsInstrumentor"),
    "urllib3_client": ("urllib3", "URLLib3Instrumentor"),
    "urllib_client": ("urllib", "URLLibInstrumentor"),
}


def ours(program: str) -> None:
    from devenv import tracing

    settings = {"sampler": {"ratio": 0}, "exclude": ["/health"], "exporter": {"type": "none", "console": "stdout"}}
    started = tracing.auto({**settings, "metrics": {"exporter": "console"}}, environ={})
    with tracing.span("program"):
        PROGRAMS[program](lambda _app: None)
    started.shutdown()


if __name__ == "__main__":
    {"stock": stock, "ours": ours}[sys.argv[1]](sys.argv[2])
