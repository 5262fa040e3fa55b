"""One of three bare services in a chain, for `overhead.py`: answers, after calling the next one if there is one.

Environment: PORT, NEXT (base URL, empty at the end of the chain), TRACER (`none`, `devenv`, `stock`), CLIENT
(`aiohttp`, `httpx`), OTEL_*.
`stock` is OpenTelemetry's SDK with its own ASGI and aiohttp-client instrumentation and batch exporter.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import uvicorn

from devenv import tracing  # loads nothing until it is used

NEXT = os.environ.get("NEXT", "")
TRACER = os.environ.get("TRACER", "none")
CLIENT = os.environ.get("CLIENT", "aiohttp")
HEADERS = [(b"content-type", b"text/plain"), (b"content-length", b"2")]
App = Callable[[Any, Any, Any], Awaitable[None]]
_clients: list[Any] = []


async def call(headers: dict[str, str]) -> int:
    """Ask the next service; its status."""
    client: Any = _clients[0]
    if CLIENT == "httpx":
        return int((await client.get(NEXT, headers=headers)).status_code)
    async with client.get(NEXT, headers=headers) as response:
        await response.read()
        return int(response.status)


async def ask_next() -> None:
    headers: dict[str, str] = {}
    if TRACER == "devenv":
        with tracing.client_span("GET", NEXT, headers) as span:
            span.set_attribute("http.response.status_code", await call(headers))
    else:
        await call(headers)


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        if NEXT:
            _clients.append(_client())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for client in _clients:
            await (client.aclose() if CLIENT == "httpx" else client.close())
        await send({"type": "lifespan.shutdown.complete"})
        return
    if NEXT:
        await ask_next()
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": b"ok"})


def _client() -> Any:
    if CLIENT == "httpx":
        import httpx

        return httpx.AsyncClient()
    return aiohttp.ClientSession(trace_configs=_trace_configs())


def _trace_configs() -> list[Any]:
    if TRACER != "stock":
        return []
    from opentelemetry.instrumentation.aiohttp_client import create_trace_config

    return [create_trace_config()]


def traced() -> App:
    """The application as the tracer wants it."""
    if TRACER == "devenv":
        tracing.setup()
        return tracing.TracingMiddleware(application)
    if TRACER == "stock":
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        provider = TracerProvider()
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        trace.set_tracer_provider(provider)
        return OpenTelemetryMiddleware(application)  # type: ignore[no-any-return] # untyped package
    return application


if __name__ == "__main__":
    uvicorn.run(
        traced(),
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="critical",
        timeout_keep_alive=600,
    )
