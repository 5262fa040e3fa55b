"""The server of `websockets`: a server span for each connection, from its handshake to the end of its handler.

A handshake that is refused has no span, because no handler is called.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any
from urllib.parse import unquote

from opentelemetry.context import Context
from opentelemetry.trace import Span

from devenv.tracing.context.serving import Serving
from devenv.tracing.light.shared import Shared
from devenv.tracing.process.faults import fault
from devenv.tracing.process.http_names import SERVERS
from devenv.tracing.process.patching import replace
from devenv.tracing.process.request_origin import PROXY_NAMES, origin_of
from devenv.tracing.server_side import ServerSide, described, finish
from devenv.tracing.spans import fail

_LIBRARY = "websockets"
_SWITCHED = 101


def instrument() -> None:
    """Trace every asynchronous server of the process."""
    from websockets.asyncio import server

    _replace(server, _async_handler)


def instrument_sync() -> None:
    """Trace every synchronous server of the process."""
    from websockets.sync import server

    _replace(server, _handler)


Wrap = Callable[[ServerSide, Callable[..., Any]], Callable[..., Any]]


def _replace(module: Any, wrap: Wrap) -> None:
    side = ServerSide(None, None, None, SERVERS["websockets"])
    owner, name = (module.serve, "__init__") if inspect.isclass(module.serve) else (module, "serve")
    replace(owner, name, _make_serve(side, wrap, is_method=name == "__init__"))


def _make_serve(side: ServerSide, wrap: Wrap, *, is_method: bool) -> Callable[[Any], Any]:
    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def serve(*args: Any, **options: Any) -> Any:
            given = list(args)
            if len(given) > is_method:
                given[is_method] = wrap(side, given[is_method])
            elif "handler" in options:
                options["handler"] = wrap(side, options["handler"])
            return original(*given, **options)

        return serve

    return make


def _async_handler(side: ServerSide, handler: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @wraps(handler)
    async def handle(connection: Any) -> None:
        begun = _begin(side, connection)
        if begun is None:
            await handler(connection)
            return
        span, context = begun
        with Serving(context, lambda error: _end(span, error)):
            await handler(connection)

    return handle


def _handler(side: ServerSide, handler: Callable[..., None]) -> Callable[..., None]:
    @wraps(handler)
    def handle(connection: Any) -> None:
        begun = _begin(side, connection)
        if begun is None:
            handler(connection)
            return
        span, context = begun
        with Serving(context, lambda error: _end(span, error)):
            handler(connection)

    return handle


def _begin(side: ServerSide, connection: Any) -> tuple[Span, Context] | None:
    """Decide, and start a span if the connection is recorded; None after a fault."""
    try:
        headers = connection.request.headers
        if side.foreign is not None:
            fields = side.foreign.translated(headers.raw_items())
        else:
            get = headers.get_all
            fields = (get("traceparent"), get("tracestate"), get("baggage"))
        path = connection.request.path.partition("?")[0]
        return side.begin(connection, path, "GET", *fields, _describe)
    except Exception as error:  # noqa: BLE001 - logged
        fault(_LIBRARY, error)
        return None


def _end(span: Span, failure: BaseException | None) -> None:
    """Record how a handler ended; a connection that was closed is not a failure. Does not raise."""
    try:
        from websockets.exceptions import ConnectionClosed

        if not span.is_recording():
            return
        if isinstance(failure, asyncio.CancelledError):
            span.set_attribute("error.type", "asyncio.CancelledError")
        elif isinstance(failure, Exception) and not isinstance(failure, ConnectionClosed):
            fail(span, failure)
        finish(span, "GET", None, _SWITCHED)
    except Exception as error:  # noqa: BLE001 - logged
        fault(_LIBRARY, error)


def _peer(connection: Any) -> tuple[str, int]:
    try:
        address = connection.remote_address
    except OSError:  # the client has sent all, and has closed the connection
        return "", 0
    return address[:2] if isinstance(address, tuple) else ("", 0)


def _describe(connection: Any) -> tuple[Shared, dict[str, Any]]:
    headers = connection.request.headers
    transport = getattr(connection, "transport", None)
    secure = transport is not None and transport.get_extra_info("sslcontext") is not None
    host = ",".join(headers.get_all("host"))
    proxy = {name: ",".join(headers.get_all(name)) for name in PROXY_NAMES if name in headers}
    peer, port = _peer(connection)
    path, _, query = connection.request.path.partition("?")
    return described(
        origin_of("wss" if secure else "ws", host, (None, None), peer, proxy),
        "GET",
        "1.1",
        unquote(path),
        query,
        next(iter(headers.get_all("user-agent")), None),
        headers.raw_items(),
        port,
    )
