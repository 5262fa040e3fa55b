"""`TracingMiddleware`: a server span for each request of an ASGI application (Starlette, FastAPI and others).

The user agent is the only header that is recorded.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from opentelemetry.trace import Span, get_current_span

from devenv.tracing.active import Active, state
from devenv.tracing.context.ambient import attach, detach
from devenv.tracing.context.baggage_header import parse as parse_baggage
from devenv.tracing.light.native import speed
from devenv.tracing.light.shared import Shared
from devenv.tracing.light.unsampled import UnsampledSpan
from devenv.tracing.process.faults import fault
from devenv.tracing.process.http_names import SERVERS
from devenv.tracing.process.request_origin import PROXY_FIELDS, origin_of, proxy_fields
from devenv.tracing.runtime import Tracing
from devenv.tracing.server_side import (
    REQUEST_KEY,
    ROUTE_KEY,
    ServerSide,
    answer,
    described,
    finish,
    watch_django,
)
from devenv.tracing.spans import fail

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_log = logging.getLogger(__name__)

_FLUSH_S = 2.0
# Recent FastAPI creates its own server spans if a provider is installed, unless this key is in the scope.
FASTAPI = "fastapi.telemetry"
# In the scope of what is traced: a middleware below does nothing.
MARK = "devenv.tracing"
_TRACED = frozenset({"http", "websocket"})
_PLACE = "an ASGI application"
# Starlette's exception for a client that has disconnected.
GONE = "ClientDisconnect"
_NO_HEADERS: list[tuple[bytes, bytes]] = []  # of a scope that has none, such as that of the lifespan
_WANTED = frozenset({b"traceparent", b"tracestate", b"baggage"})

if TYPE_CHECKING:

    class Served:
        """The call of the middleware, compiled or not."""

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            """Serve one connection."""

else:
    Served = object if speed is None else speed.Served


class TracingMiddleware(Served):
    """Pure ASGI middleware.

    Args:
        app: The application below.
        tracing: The result of `setup`. Default: the tracing that is set up when a request arrives.
        trace_response: Whether to send a `traceresponse` header. Default: from the settings.
        exclude: Paths that are not traced, nor anything below them. Default: from the settings.
    """

    def __init__(
        self,
        app: App,
        *,
        tracing: Tracing | None = None,
        trace_response: bool | None = None,
        exclude: Sequence[str] | None = None,
    ) -> None:
        self.app = app
        watch_django()
        self._side = ServerSide(tracing, trace_response, exclude, SERVERS["asgi"])
        if speed is not None:  # servers ask whether `__call__` is a coroutine function

            async def call(scope: Scope, receive: Receive, send: Send) -> None:
                await self(scope, receive, send)

            vars(self)["__call__"] = call

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection.

        The code here is the short path of most requests in production: they are not recorded and have no unusual
        headers. Each instruction counts, so it calls few functions and has no loops. `Served` of `_speed.c` has the
        same in C.
        """
        begun = None
        idle = False
        try:
            side = self._side
            fields = scope.get("headers", _NO_HEADERS)
            if fields.__class__ is not list:
                fields = _lists(scope)
            if side.off:
                idle = scope["type"] == "http" and _WANTED.isdisjoint([name for name, _ in scope["headers"]])
            elif side.plain and scope["type"] == "http" and MARK not in scope:
                headers = dict(fields)
                if len(headers) == len(fields) and b"tracestate" not in headers:
                    begun = side.begin_plain(scope, headers, describe)
        except Exception as error:  # noqa: BLE001 - logged
            fault(_PLACE, error)
            await self.app(scope, receive, send)
            return
        if idle:
            await self.app(scope, receive, send)
            return
        if begun is None:
            await self._any(scope, receive, send)
            return
        scope[MARK] = True
        span, context = begun
        if span.__class__ is not UnsampledSpan:
            await self._recorded(span, context, scope, receive, send)
            return
        if side.answers:
            send = _answering(send, span)
        token = attach(context)
        try:
            await self.app(scope, receive, send)
        finally:
            detach(token)

    if speed is None:
        __call__ = _serve

    async def _any(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve all other cases: repeated fields, `tracestate`, another provider, websockets, untraced scopes."""
        side = self._side
        if scope["type"] not in _TRACED or MARK in scope or (side.fastapi and scope.get(FASTAPI) is not None):
            await self._other(scope, receive, send)
            return
        scope[MARK] = True
        try:
            span, context = self._begin(scope)
        except Exception as error:  # noqa: BLE001 - logged
            fault(_PLACE, error)
            await self.app(scope, receive, send)
        else:
            await self._recorded(span, context, scope, receive, send)

    async def _recorded(self, span: Span, context: Context, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve within a span, which may be a non-recording one."""
        sending = None
        error: BaseException | None = None
        try:
            if self._side.answers:
                send = sending = _answering(send, span)
            elif span.is_recording():
                send = sending = _Sending(send, b"")
        except Exception as own:  # noqa: BLE001 - logged
            fault(_PLACE, own)
        token = attach(context)
        try:
            await self.app(scope, receive, send)
        except BaseException as raised:
            error = raised
            raise
        finally:
            detach(token)
            if sending is not None:
                self._finished(span, scope, sending, error)

    def _finished(self, span: Span, scope: Scope, sending: _Sending, error: BaseException | None) -> None:
        """End the span of a request; does not raise."""
        try:
            status = sending.status if error is None else _broken(span, error, sending.status)
            if span.is_recording():
                if state.server_headers is not None:
                    span.set_attributes(state.server_headers.response(sending.headers))
                finish(span, scope.get("method", "GET"), route_of(scope), status)
        except Exception as own:  # noqa: BLE001 - logged; the program's own exception stays
            fault(_PLACE, own)

    async def _other(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a scope without a server span of ours."""
        tracing = self._side.tracing
        if scope["type"] == "lifespan" and tracing is not None and MARK not in scope:
            scope[MARK] = True
            await self.app(scope, receive, _flushing(send, tracing))
        elif scope["type"] not in _TRACED or MARK in scope:
            await self.app(scope, receive, send)
        else:
            await self._inside(scope, receive, send)

    def _begin(self, scope: Scope) -> tuple[Span, Context]:
        side = self._side
        if side.fastapi:
            scope.setdefault(FASTAPI, None)
        if side.foreign is not None:
            fields = side.foreign.translated(scope["headers"])
            return side.begin(scope, scope["path"], scope.get("method", "GET"), *fields, describe)
        found: dict[bytes, list[str]] = {}
        for name, value in scope["headers"]:
            if name in _WANTED:
                found.setdefault(name, []).append(value.decode("latin-1"))
        parents, states, bags = found.get(b"traceparent", []), found.get(b"tracestate"), found.get(b"baggage")
        return side.begin(scope, scope["path"], scope.get("method", "GET"), parents, states, bags, describe)

    async def _inside(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve below FastAPI's own server span, and add what FastAPI does not record."""
        try:
            span = get_current_span()
            received = parse_baggage(value.decode("latin-1") for name, value in scope["headers"] if name == b"baggage")
            if received is not None and REQUEST_KEY in received:
                span.set_attribute(REQUEST_KEY, str(received[REQUEST_KEY]))
            if self._side.answers:
                send = _answering(send, span)
        except Exception as error:  # noqa: BLE001 - logged
            fault(_PLACE, error)
        await self.app(scope, receive, send)


class _Sending:
    """Forwards an application's messages, keeps the status and adds a `traceresponse` header."""

    __slots__ = ("_header", "_send", "headers", "status")

    def __init__(self, send: Send, header: bytes) -> None:
        self._send = send
        self._header = header
        self.headers: Iterable[tuple[Any, Any]] = ()
        self.status = 0

    def __call__(self, message: MutableMapping[str, Any]) -> Awaitable[None]:
        try:
            kind = message["type"]
            if kind == "http.response.start" or kind == "websocket.http.response.start":
                self.status = message["status"]
                self.headers = message.get("headers", ())
                if self._header:
                    message["headers"] = [*message.get("headers", ()), (b"traceresponse", self._header)]
            elif kind == "websocket.accept":
                self.status = 101
            elif kind == "websocket.close" and not self.status:
                self.status = 403  # refused: the server answers the handshake so (the ASGI specification)
        except Exception as error:  # noqa: BLE001 - logged; the server judges the message
            fault(_PLACE, error)
        return self._send(message)


def _answering(send: Send, span: Span) -> _Sending:
    """Return a `send` that adds the `traceresponse` header."""
    try:
        return _Sending(send, answer(span).encode())
    except Exception as error:  # noqa: BLE001 - logged
        fault(_PLACE, error)
        return _Sending(send, b"")


def _broken(span: Span, error: BaseException, status: int) -> int:
    """Record that the application ended with an exception; a cancelled request has not failed.

    Returns:
        The status: before the application has responded, the server responds with 500, unless the client has gone.
    """
    if isinstance(error, Exception):
        fail(span, error)
        return status or (0 if type(error).__name__ == GONE else 500)
    if isinstance(error, asyncio.CancelledError):
        span.set_attribute("error.type", "asyncio.CancelledError")
    return status


def route_of(scope: Scope) -> str | None:
    """Return the path template that the router has chosen, if known, with the application's root path."""
    route, noted = scope.get("route"), scope.get(ROUTE_KEY)
    if "router" in scope and noted is None and (route is None or "app_root_path" in scope):
        from devenv.tracing.integrations.starlette_routes import route_below_mounts

        return route_below_mounts(scope)
    if "fastapi" in scope:  # since FastAPI does not copy the routes of an included router
        from devenv.tracing.integrations.starlette_routes import included_route

        route = included_route(scope)
    path: str | None = noted or getattr(route, "path_format", None) or getattr(route, "path", None)
    return None if path is None else (scope.get("root_path") or "").rstrip("/") + path


def _lists(scope: Scope) -> list[tuple[bytes, bytes]]:
    """Replace what may be readable once by lists, for the application too, and return the headers: ASGI allows any."""
    scope["headers"] = fields = [(name, value) for name, value in scope["headers"]]
    for key in ("server", "client"):
        if scope.get(key) is not None:
            scope[key] = list(scope[key])
    return fields


def describe(scope: Scope) -> tuple[Shared, dict[str, Any]]:
    """Return the attributes of a request that are known at its start."""
    fields = scope["headers"]
    headers = dict(fields)
    peer, port = scope.get("client") or ("", 0)
    proxy = None if PROXY_FIELDS.isdisjoint(headers) else proxy_fields(fields)
    host, query = headers.get(b"host", b"").decode("latin-1"), scope.get("query_string")
    return described(
        origin_of(scope.get("scheme", "http"), host, scope.get("server") or (None, None), peer, proxy),
        scope.get("method", "GET"),
        scope.get("http_version", ""),
        scope["path"],
        query.decode("utf-8", "replace") if query else "",
        headers.get(b"user-agent", b"").decode("latin-1"),
        fields,
        port,
    )


if speed is not None:
    speed.use_server(describe, fault, _PLACE)


def _flushing(send: Send, tracing: Active) -> Send:
    """Flush before the server is told that the application has shut down: it may end the process right after."""

    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "lifespan.shutdown.complete":
            try:
                await asyncio.get_running_loop().run_in_executor(None, tracing.force_flush, _FLUSH_S)
            except Exception:  # noqa: BLE001 - logged; no thread can be started any more: the exit exports what waits
                _log.debug("cannot flush at the end of the lifespan", exc_info=True)
        await send(message)

    return sending
