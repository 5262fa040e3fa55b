"""aiohttp's server: a middleware that creates a server span for each request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiohttp import web
from opentelemetry.trace import Span

from devenv.tracing.active import state
from devenv.tracing.context.ambient import attach, detach
from devenv.tracing.light.shared import Shared
from devenv.tracing.light.unsampled import UnsampledSpan
from devenv.tracing.process.patching import replace
from devenv.tracing.runtime import Tracing
from devenv.tracing.server_side import ServerSide, answer, finish, shared_attributes
from devenv.tracing.spans import error_type, fail

# Recent aiohttp warns about text as a request's key, and a program may turn warnings into errors.
_SENT: Any = web.RequestKey("devenv.tracing.sent", object) if hasattr(web, "RequestKey") else "devenv.tracing.sent"

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
    side = ServerSide(tracing, trace_response, exclude)
    replace(web.StreamResponse, "prepare", _noting)
    replace(web.WebSocketResponse, "prepare", _noting)

    @web.middleware
    async def trace_request(request: web.Request, handler: Handler) -> web.StreamResponse:
        headers = request.headers
        if side.foreign is not None:
            fields = side.foreign.translated(headers.items())
        else:
            get = headers.getall
            fields = (get("traceparent", []), get("tracestate", []), get("baggage", []))
        span, context = side.begin(request, request.path, request.method, *fields, _describe)
        token = attach(context)
        try:
            if span.__class__ is UnsampledSpan and not side.answers:
                return await handler(request)
            return await _traced(span, request, handler, side.answers)
        finally:
            detach(token)

    return trace_request


async def _traced(span: Span, request: web.Request, handler: Handler, answers: bool) -> web.StreamResponse:
    status = 0
    request[_SENT] = sent = _Sent()
    try:
        response = await handler(request)
        status = response.status
    except web.HTTPException as raised:
        status = raised.status
        if answers:
            raised.headers["traceresponse"] = answer(span)
        raise
    except asyncio.CancelledError:
        status = sent.status
        span.set_attribute("error.type", "asyncio.CancelledError")
        raise
    except Exception as error:
        status = sent.status
        if not status and isinstance(error, ConnectionError) and _is_gone(request):
            span.set_attribute("error.type", error_type(error))  # no response, and no fault of the server
        else:
            status = status or 500
            fail(span, error)
        raise
    else:
        if answers and not response.prepared:
            response.headers["traceresponse"] = answer(span)
        return response
    finally:
        if span.is_recording():
            finish(span, request.method, _route(request), status)


class _Sent:
    """The status of the response that has been started."""

    __slots__ = ("status",)

    def __init__(self) -> None:
        self.status = 0


def _noting(original: Callable[..., Any]) -> Callable[..., Any]:
    def prepare(self: web.StreamResponse, request: web.BaseRequest) -> Any:
        sent = request.get(_SENT)
        if sent is not None:
            sent.status = self.status
        return original(self, request)

    return prepare


def _is_gone(request: web.Request) -> bool:
    transport = request.transport
    return transport is None or transport.is_closing()


def instrument() -> None:
    """Trace every aiohttp application of the process."""

    def make(original: Callable[..., None]) -> Callable[..., None]:
        def init(self: web.Application, *, middlewares: Sequence[Any] = (), **options: Any) -> None:
            original(self, middlewares=(aiohttp_middleware(), *middlewares), **options)

        return init

    replace(web.Application, "__init__", make)


def _route(request: web.Request) -> str | None:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else None


def _describe(request: web.Request) -> tuple[Shared, dict[str, Any]]:
    host, _, port = request.host.partition(":")
    version = f"{request.version.major}.{request.version.minor}"
    number = int(port) if port.isdigit() else None
    shared = shared_attributes(request.method, request.scheme, host, number, version)
    own: dict[str, Any] = {"url.path": request.path}
    if request.query_string:
        own["url.query"] = state.redactor.query(request.query_string)
    if request.remote:
        own["client.address"] = request.remote
    agent = request.headers.get("user-agent")
    if agent:
        own["user_agent.original"] = agent
    return shared, own
