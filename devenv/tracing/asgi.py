"""`TracingMiddleware`: a server span for each request of an ASGI application.

Attributes follow the stable HTTP semantic conventions (https://opentelemetry.io/docs/specs/semconv/http/http-spans/).
No header is recorded but the user agent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import NonRecordingSpan, Span, SpanKind, StatusCode

from devenv.tracing.active import state
from devenv.tracing.baggage_header import BAGGAGE_KEY
from devenv.tracing.baggage_header import parse as parse_baggage
from devenv.tracing.light.span import RANDOM, SAMPLED, LocalTrace, UnsampledSpan, new_trace_id
from devenv.tracing.light.tracer import SPAN_KEY, LightTracer
from devenv.tracing.propagation import traceparent
from devenv.tracing.runtime import Tracing
from devenv.tracing.spans import fail
from devenv.tracing.traceparent import parse as parse_parent
from devenv.tracing.traceparent import remote_context
from devenv.tracing.tracestate import LevelTwoState
from devenv.tracing.tracestate import parse as parse_state

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY"})
_FLUSH_S = 2.0


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
        self._given = tracing
        self._trace_response = trace_response
        self._exclude = exclude
        self._bound: Tracing | None = None
        self._bind(tracing or state.tracing)

    def _bind(self, tracing: Tracing | None) -> None:
        self._bound = tracing
        settings = tracing.settings if tracing is not None else None
        self._light: LightTracer | None = tracing.light if tracing is not None else None
        self._cheap = tracing.cheap if tracing is not None else False
        propagator = tracing.propagator if tracing is not None else state.propagator
        self._parents, self._baggage = propagator.carries_parents, propagator.carries_baggage
        excluded = self._exclude if self._exclude is not None else settings.exclude if settings else ()
        self._excluded = frozenset(excluded)
        answer = self._trace_response
        self._answers = answer if answer is not None else settings is not None and settings.trace_response

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if self._given is None and state.tracing is not self._bound:
            self._bind(state.tracing)
        kind = scope["type"]
        if kind == "http" or kind == "websocket":
            await self._request(scope, receive, send)
        elif kind == "lifespan" and self._bound is not None:
            await self.app(scope, receive, _flushing(send, self._bound))
        else:
            await self.app(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        parents: list[str] = []
        states: list[str] | None = None
        bags: list[str] | None = None
        for name, value in scope["headers"]:
            # Most names differ in length from the three that matter.
            size = len(name)
            if size == 11 and name == b"traceparent":
                parents.append(value.decode("latin-1"))
            elif size == 10 and name == b"tracestate":
                states = [*(states or ()), value.decode("latin-1")]
            elif size == 7 and name == b"baggage":
                bags = [*(bags or ()), value.decode("latin-1")]
        received = parse_baggage(bags) if bags and self._baggage else None
        if scope["path"] in self._excluded:
            span: Span = _unsampled(parents, states)
        elif self._light is not None and self._cheap:
            span = self._decide(self._light, scope, parents if self._parents else [], states)
        else:
            span = self._start(scope, parents if self._parents else [], states, received)
        if received is not None:
            token = attach(Context({SPAN_KEY: span, BAGGAGE_KEY: received}))
            request_key = received.get("devenv.request")
            if request_key is not None:
                span.set_attribute("devenv.request", str(request_key))
        else:
            token = attach(Context({SPAN_KEY: span}))
        try:
            if span.__class__ is UnsampledSpan and not self._answers:
                await self.app(scope, receive, send)
            else:
                await self._traced(span, scope, receive, send)
        finally:
            detach(token)

    def _decide(self, light: LightTracer, scope: Scope, parents: list[str], states: list[str] | None) -> Span:
        """Decide from the header alone; a span object with attributes is made only for what is recorded."""
        parent = parse_parent(parents[0]) if len(parents) == 1 else None
        if parent is None:
            trace_id = new_trace_id()
            sampled = light.provider.decider.root(trace_id)
            local = LocalTrace(trace_id, f"{trace_id:032x}", RANDOM | sampled)
            parent_id = 0
        else:
            trace_hex, parent_id, flags = parent
            sampled = bool(flags & SAMPLED)
            local = LocalTrace(int(trace_hex, 16), trace_hex, flags)
            if states:
                local.state = parse_state(states) or LevelTwoState()
        if not sampled:
            return UnsampledSpan(local)
        return light.record(
            scope.get("method", "GET"), None, SpanKind.SERVER, parent_id, parent is not None, local, _attributes(scope)
        )

    def _start(self, scope: Scope, parents: list[str], states: list[str] | None, received: Any) -> Span:
        """Start by the provider's own rules: another provider, or a sampler that is not parent-based."""
        remote = remote_context(parents, states or ())
        values: dict[str, object] = {} if remote is None else {SPAN_KEY: NonRecordingSpan(remote)}
        if received is not None:
            values[BAGGAGE_KEY] = received
        return state.open(scope.get("method", "GET"), Context(values), SpanKind.SERVER, _attributes(scope))

    async def _traced(self, span: Span, scope: Scope, receive: Receive, send: Send) -> None:
        own = traceparent(span) if self._answers else None  # None where tracing is off and the caller sent no context
        answer = own.encode() if own is not None else None
        status = 0

        async def sending(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            kind = message["type"]
            if kind == "http.response.start" or kind == "websocket.http.response.start":
                status = message["status"]
                if answer is not None:
                    message["headers"] = [*message.get("headers", ()), (b"traceresponse", answer)]
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
                _finish(span, scope, status)


def _finish(span: Span, scope: Scope, status: int) -> None:
    """Set what is known only at the end, and end the span."""
    method = scope.get("method", "GET")
    route = _route(scope)
    if route is not None:
        span.update_name(f"{method if method in _KNOWN_METHODS else 'HTTP'} {route}")
        span.set_attribute("http.route", route)
    if status:
        span.set_attribute("http.response.status_code", status)
        if status >= 500:
            if "error.type" not in (getattr(span, "attributes", None) or ()):
                span.set_attribute("error.type", str(status))
            span.set_status(StatusCode.ERROR)
    span.end()


def _route(scope: Scope) -> str | None:
    """The path template that the router has chosen, where it says so (Starlette and FastAPI do)."""
    route = scope.get("route")
    if route is None:
        return None
    path: str | None = getattr(route, "path_format", None) or getattr(route, "path", None)
    if path is None:
        return None
    root = scope.get("root_path", "")
    above = scope.get("app_root_path", "")
    return root[len(above) :] + path if len(root) > len(above) else path


def _attributes(scope: Scope) -> dict[str, Any]:
    method = scope.get("method", "GET")
    attributes: dict[str, Any] = {
        "http.request.method": method if method in _KNOWN_METHODS else "_OTHER",
        "url.path": scope["path"],
        "url.scheme": scope.get("scheme", "http"),
    }
    if method not in _KNOWN_METHODS:
        attributes["http.request.method_original"] = method
    query = scope.get("query_string")
    if query:
        attributes["url.query"] = state.redactor.query(query.decode("latin-1"))
    server = scope.get("server")
    if server:
        attributes["server.address"] = server[0]
        if server[1]:
            attributes["server.port"] = server[1]
    client = scope.get("client")
    if client:
        attributes["client.address"] = client[0]
    version = scope.get("http_version")
    if version:
        attributes["network.protocol.version"] = version
    for name, value in scope["headers"]:
        if len(name) == 10 and name == b"user-agent":
            attributes["user_agent.original"] = value.decode("latin-1")
            break
    return attributes


def _unsampled(parents: list[str], states: list[str] | None) -> UnsampledSpan:
    """Passes a trace on with the sampled flag clear."""
    parent = parse_parent(parents[0]) if len(parents) == 1 else None
    if parent is None:
        trace_id = new_trace_id()
        return UnsampledSpan(LocalTrace(trace_id, f"{trace_id:032x}", RANDOM))
    local = LocalTrace(int(parent[0], 16), parent[0], parent[2] & RANDOM)
    if states:
        local.state = parse_state(states) or LevelTwoState()
    return UnsampledSpan(local)


def _flushing(send: Send, tracing: Tracing) -> Send:
    """Flush before the server learns that the application has shut down: servers may end the process right after."""

    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "lifespan.shutdown.complete":
            await asyncio.get_running_loop().run_in_executor(None, tracing.force_flush, _FLUSH_S)
        await send(message)

    return sending
