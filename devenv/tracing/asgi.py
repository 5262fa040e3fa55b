"""`TracingMiddleware`: a server span for each request of an ASGI application (Starlette, FastAPI and others).

No header is recorded but the user agent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, cast

from opentelemetry.context import Context
from opentelemetry.trace import Span, get_current_span

from devenv.tracing.active import state
from devenv.tracing.ambient import attach, detach
from devenv.tracing.baggage_header import parse as parse_baggage
from devenv.tracing.light.shared import Shared
from devenv.tracing.light.span import UnsampledSpan
from devenv.tracing.light.tracer import SPAN_KEY
from devenv.tracing.propagation import with_baggage
from devenv.tracing.runtime import Tracing
from devenv.tracing.server_side import REQUEST_KEY, ROUTE_KEY, ServerSide, answer, decline, finish, shared_attributes
from devenv.tracing.spans import fail

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_FLUSH_S = 2.0
# FastAPI of late makes server spans of its own wherever a provider is installed, unless this key is in the scope.
_FASTAPI = "fastapi.telemetry"
_MARK = "devenv.tracing"
_WANTED = frozenset({b"traceparent", b"tracestate", b"baggage"})


class TracingMiddleware:
    """Pure ASGI middleware.

    Args:
        app: The application below.
        tracing: What `setup` made; by default whatever is set up when a request comes.
        trace_response: Whether to answer with a `traceresponse` header; by default as the settings say.
        exclude: Paths that are not traced, below which nothing is traced either; by default as the settings say.
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
        self._side = ServerSide(tracing, trace_response, exclude)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        side = self._side
        if side.follows and state.tracing is not side.tracing:
            side.refresh()
        if scope["type"] != "http":
            await self._other(scope, receive, send)
            return
        parent = bag = None
        plain = side.plain
        for name, value in scope["headers"]:
            if name in _WANTED:
                if name == b"traceparent" and parent is None:
                    parent = value
                elif name == b"baggage" and bag is None:
                    bag = value
                else:
                    plain = False
        # The short way of most requests in production: not recorded, and nothing unusual in the headers. What it makes
        # is one small object that knows how to pass the trace on.
        span = decline(side, parent) if plain and _MARK not in scope else None
        if span.__class__ is not UnsampledSpan:
            await self._request(scope, receive, send, cast("str", span or ""))
            return
        scope[_MARK] = True
        context = Context({SPAN_KEY: span})
        if bag is not None:
            context = with_baggage(context, (bag.decode("latin-1"),))
        if side.answers:
            send = _answering(send, span.outgoing().encode())
        token = attach(context)
        try:
            await self.app(scope, receive, send)
        finally:
            detach(token)

    async def _other(self, scope: Scope, receive: Receive, send: Send) -> None:
        side = self._side
        if scope["type"] == "websocket":
            await self._request(scope, receive, send)
        elif scope["type"] == "lifespan" and side.tracing is not None:
            await self.app(scope, receive, _flushing(send, side.tracing))
        else:
            await self.app(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send, root: str = "") -> None:
        """The way of what is recorded, and of everything unusual."""
        side = self._side
        if scope.get(_FASTAPI) is not None:
            await self._inside(scope, receive, send)
            return
        if _MARK in scope:
            await self.app(scope, receive, send)
            return
        scope[_MARK] = True
        if side.fastapi:
            scope.setdefault(_FASTAPI, None)
        parents: list[str] = []
        states: list[str] | None = None
        bags: list[str] | None = None
        for name, value in scope["headers"]:
            if name == b"traceparent":
                parents.append(value.decode("latin-1"))
            elif name == b"tracestate":
                states = [*(states or ()), value.decode("latin-1")]
            elif name == b"baggage":
                bags = [*(bags or ()), value.decode("latin-1")]
        method = scope.get("method", "GET")
        span, context = side.begin(scope, scope["path"], method, parents, states, bags, _describe, root)
        token = attach(context)
        try:
            if not side.answers and not span.is_recording():
                await self.app(scope, receive, send)
            else:
                await self._traced(span, scope, receive, send)
        finally:
            detach(token)

    async def _traced(self, span: Span, scope: Scope, receive: Receive, send: Send) -> None:
        header = answer(span).encode() if self._side.answers and span.get_span_context().is_valid else None
        status = 0

        async def sending(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            kind = message["type"]
            if kind == "http.response.start" or kind == "websocket.http.response.start":
                status = message["status"]
                if header is not None:
                    message["headers"] = [*message.get("headers", ()), (b"traceresponse", header)]
            elif kind == "websocket.accept":
                status = 101
            await send(message)

        try:
            await self.app(scope, receive, sending)
        except Exception as error:
            fail(span, error)
            raise
        except asyncio.CancelledError:
            span.set_attribute("error.type", "asyncio.CancelledError")
            raise
        finally:
            if span.is_recording():
                finish(span, scope.get("method", "GET"), _route(scope), status)

    async def _inside(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Below FastAPI's own server span: only what FastAPI does not do is added to it."""
        span = get_current_span()
        received = parse_baggage(value.decode("latin-1") for name, value in scope["headers"] if name == b"baggage")
        if received is not None and REQUEST_KEY in received:
            span.set_attribute(REQUEST_KEY, str(received[REQUEST_KEY]))
        if self._side.answers:
            send = _answering(send, answer(span).encode())
        await self.app(scope, receive, send)


def _route(scope: Scope) -> str | None:
    """The path template that the router has chosen, where it says so (Starlette and FastAPI do)."""
    route = scope.get("route")
    if route is None:
        noted: str | None = scope.get(ROUTE_KEY)
        return noted
    path: str | None = getattr(route, "path_format", None) or getattr(route, "path", None)
    if path is None:
        return None
    root = scope.get("root_path", "")
    above = scope.get("app_root_path", "")
    return root[len(above) :] + path if len(root) > len(above) else path


def _describe(scope: Scope) -> tuple[Shared, dict[str, Any]]:
    server = scope.get("server") or (None, None)
    method, scheme = scope.get("method", "GET"), scope.get("scheme", "http")
    shared = shared_attributes(method, scheme, server[0], server[1], scope.get("http_version", ""))
    own: dict[str, Any] = {"url.path": scope["path"]}
    query = scope.get("query_string")
    if query:
        own["url.query"] = state.redactor.query(query.decode("latin-1"))
    client = scope.get("client")
    if client:
        own["client.address"] = client[0]
    for name, value in scope["headers"]:
        if len(name) == 10 and name == b"user-agent":
            own["user_agent.original"] = value.decode("latin-1")
            break
    return shared, own


def _answering(send: Send, header: bytes) -> Send:
    """Adds a `traceresponse` header to the answer."""

    def sending(message: MutableMapping[str, Any]) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), (b"traceresponse", header)]
        return send(message)

    return sending


def _flushing(send: Send, tracing: Tracing) -> Send:
    """Flush before the server learns that the application has shut down: servers may end the process right after."""

    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "lifespan.shutdown.complete":
            await asyncio.get_running_loop().run_in_executor(None, tracing.force_flush, _FLUSH_S)
        await send(message)

    return sending
