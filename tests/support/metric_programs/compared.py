"""The same requests through the same application: measured by stock instrumentation, or by devenv.tracing.

`python compared.py stock|ours FRAMEWORK` prints each metric as one line of OTLP JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
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


PROGRAMS = {name.removeprefix("with_"): found for name, found in list(globals().items()) if name.startswith("with_")}


def stock(framework: str) -> None:
    from google.protobuf.json_format import MessageToDict
    from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
    from opentelemetry.metrics import set_meter_provider
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    reader = InMemoryMetricReader()
    set_meter_provider(MeterProvider([reader]))
    PROGRAMS[framework](lambda app: _instrument(framework, app))
    for resource in encode_metrics(reader.get_metrics_data()).resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                sys.stdout.write(json.dumps(MessageToDict(metric)) + "\n")


def _instrument(framework: str, app: Any) -> None:
    if framework == "fastapi":
        from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

        FastAPIInstrumentor.instrument_app(app, excluded_urls="health")
    elif framework == "flask":
        from opentelemetry.instrumentation.flask import FlaskInstrumentor

        FlaskInstrumentor().instrument_app(app, excluded_urls="health")
    else:
        from opentelemetry.instrumentation.aiohttp_server import AioHttpServerInstrumentor

        AioHttpServerInstrumentor().instrument()


def ours(framework: str) -> None:
    from devenv import tracing

    settings = {"sampler": {"ratio": 0}, "exclude": ["/health"], "exporter": {"type": "none", "console": "stdout"}}
    started = tracing.auto({**settings, "metrics": {"exporter": "console"}}, environ={})
    PROGRAMS[framework](lambda _app: None)
    started.shutdown()


if __name__ == "__main__":
    {"stock": stock, "ours": ours}[sys.argv[1]](sys.argv[2])
