"""aiohttp's server: a middleware that creates a server span for each request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiohttp import web
from opentelemetry.context import Context
from opentelemetry.trace import Span

from devenv.tracing.active import state
from devenv.tracing.context.ambient import attach, detach
from devenv.tracing.light.shared import Shared
from devenv.tracing.light.unsampled import UnsampledSpan
from devenv.tracing.process.faults import fault
from devenv.tracing.process.http_names import SERVERS
from devenv.tracing.process.patching import replace
from devenv.tracing.process.request_origin import PROXY_NAMES, origin_of
from devenv.tracing.runtime import Tracing
from devenv.tracing.server_side import ServerSide, answer, described, finish
from devenv.tracing.spans import error_type, fail

_LIBRARY = "aiohttp's server"
# The request's mark; what it has sent, if it is recorded. A sub-application gets the request with the mark.
# Recent aiohttp warns about text as a request's key, and a program may turn warnings into errors.
SENT: Any = web.RequestKey("devenv.tracing.sent", object) if hasattr(web, "RequestKey") else "devenv.tracing.sent"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def aiohttp_middleware(
    *, tracing: Tracing | None = None, trace_response: bool | None = None, exclude: Sequence[str] | None = None
) -> Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]:
    """Return a middleware for `web.Application(middlewares=[aiohttp_middleware(), …])`; put it first.

    Args:
        tracing: The result of `setup`. Default: the tracing that is set up when a request arrives.
        trace_response: Whether to send a `traceresponse` header. Default: from the settings.
        exclude: Paths that are not traced. Default: from the settings.
    """
    side = ServerSide(tracing, trace_response, exclude, SERVERS["aiohttp"])
    replace(web.StreamResponse, "prepare", _noting)
    replace(web.WebSocketResponse, "prepare", _noting)

    @web.middleware
    async def trace_request(request: web.Request, handler: Handler) -> web.StreamResponse:
        begun = begin(side, request)
        if begun is None:
            return await handler(request)
        span, context = begun
        token = attach(context)
        try:
            if span.__class__ is UnsampledSpan and not side.answers:
                return await handler(request)
            return await traced(span, request, handler, side.answers)
        finally:
            detach(token)

    return trace_request


def begin(side: ServerSide, request: web.Request) -> tuple[Span, Context] | None:
    """Decide, and start a span if the request is recorded; None below another middleware of ours, or after a fault."""
    try:
        if SENT in request:
            return None
        request[SENT] = None
        headers = request.headers
        if side.foreign is not None:
            fields = side.foreign.translated(headers.items())
        else:
            get = headers.getall
            fields = (get("traceparent", []), get("tracestate", []), get("baggage", []))
        return side.begin(request, request.path, request.method, *fields, describe)
    except Exception as error:  # noqa: BLE001 - logged
        fault(_LIBRARY, error)
        return None


async def traced(span: Span, request: web.Request, handler: Handler, answers: bool) -> web.StreamResponse:
    """Serve a request within its span."""
    request[SENT] = sent = _Sent()
    response: web.StreamResponse | None = None
    error: BaseException | None = None
    try:
        response = await handler(request)
    except BaseException as raised:
        error = raised
        raise
    else:
        return response
    finally:
        _ended(span, request, response, error, sent.status, answers)


def _ended(
    span: Span,
    request: web.Request,
    response: web.StreamResponse | None,
    error: BaseException | None,
    sent: int,
    answers: bool,
) -> None:
    """Record how the request ended, and end the span; does not raise."""
    try:
        status = sent
        answered = error if isinstance(error, web.HTTPException) else response
        if answered is not None:
            status = answered.status
            if answers and not answered.prepared:
                answered.headers["traceresponse"] = answer(span)
        elif error is None:
            status = status or 500  # the handler has returned nothing, and the server says so
        elif isinstance(error, asyncio.CancelledError):
            span.set_attribute("error.type", "asyncio.CancelledError")
        elif isinstance(error, Exception):
            if not status and isinstance(error, ConnectionError) and is_gone(request):
                span.set_attribute("error.type", error_type(error))  # no response, and no fault of the server
            else:
                status = status or 500
                fail(span, error)
        if span.is_recording():
            if answered is not None and state.server_headers is not None:
                span.set_attributes(state.server_headers.response(answered.headers.items()))
            finish(span, request.method, route_of(request), status)
    except Exception as own:  # noqa: BLE001 - logged; the program's response and error stay
        fault(_LIBRARY, own)


class _Sent:
    """The status of the response that has been started."""

    __slots__ = ("status",)

    def __init__(self) -> None:
        self.status = 0


def _noting(original: Callable[..., Any]) -> Callable[..., Any]:
    def prepare(self: web.StreamResponse, request: web.BaseRequest) -> Any:
        try:
            sent = request.get(SENT)
            if sent is not None:
                sent.status = self.status
        except Exception as error:  # noqa: BLE001 - logged
            fault(_LIBRARY, error)
        return original(self, request)

    return prepare


def is_gone(request: web.Request) -> bool:
    """Return whether the client has closed the connection."""
    transport = request.transport
    return transport is None or transport.is_closing()


def instrument() -> None:
    """Trace every aiohttp application of the process."""

    def make(original: Callable[..., None]) -> Callable[..., None]:
        def init(self: web.Application, *, middlewares: Sequence[Any] = (), **options: Any) -> None:
            original(self, middlewares=(aiohttp_middleware(), *middlewares), **options)

        return init

    replace(web.Application, "__init__", make)


def route_of(request: web.Request) -> str | None:
    """Return the path template of a request, None without one."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else None


def describe(request: web.Request) -> tuple[Shared, dict[str, Any]]:
    """Return the attributes of a request that are known at its start."""
    headers = request.headers
    proxy = {name: ", ".join(headers.getall(name)) for name in PROXY_NAMES if name in headers}
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    origin = origin_of(request.scheme, request.host, (None, None), request.remote or "", proxy)
    return described(
        origin,
        request.method,
        f"{request.version.major}.{request.version.minor}",
        request.path,
        request.query_string,
        headers.get("user-agent"),
        headers.items(),
        peer[1] if isinstance(peer, tuple) and peer[0] == origin.peer else None,
    )
