"""Tornado's server: a server span for each request that a handler serves, websockets included (to their end)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Span
from tornado.iostream import StreamClosedError
from tornado.routing import PathMatches
from tornado.web import FallbackHandler, Finish, HTTPError, RequestHandler

from devenv.tracing.active import state
from devenv.tracing.context.serving import Serving
from devenv.tracing.light.shared import Shared
from devenv.tracing.process.faults import fault
from devenv.tracing.process.http_names import SERVERS
from devenv.tracing.process.patching import replace
from devenv.tracing.process.request_origin import PROXY_NAMES, origin_of
from devenv.tracing.process.stock import taken
from devenv.tracing.server_side import ServerSide, answer, described, finish
from devenv.tracing.spans import current_span, error_type, fail

_LIBRARY = "tornado"
_NO_ADDRESS = "0.0.0.0"  # noqa: S104 - what Tornado says of the client of a Unix socket; nothing is bound to it


def instrument() -> None:
    """Trace every handler of the process. What `FallbackHandler` calls has its own integration (WSGI)."""
    if taken("tornado"):
        return
    replace(RequestHandler, "_execute", _make_executing)
    replace(RequestHandler, "_handle_request_exception", _make_handling)


def _make_executing(original: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    side = ServerSide(None, None, None, SERVERS["tornado"])

    async def execute(self: RequestHandler, *args: Any, **options: Any) -> None:
        begun = begin(side, self)
        if begun is None:
            await original(self, *args, **options)
            return
        span, context = begun
        with Serving(context, lambda error: ended(span, self, error)):
            await original(self, *args, **options)

    return execute


def begin(side: ServerSide, handler: RequestHandler) -> tuple[Span, Context] | None:
    """Decide, and start a span if the request is recorded; None for one that another integration serves."""
    try:
        if isinstance(handler, FallbackHandler):
            return None
        request = handler.request
        headers = request.headers
        if side.foreign is not None:
            fields = side.foreign.translated(headers.get_all())
        else:
            get = headers.get_list
            fields = (get("traceparent"), get("tracestate"), get("baggage"))
        span, context = side.begin(request, request.path, request.method or "", *fields, describe)
        if side.answers:
            handler.set_header("traceresponse", answer(span))
    except Exception as error:  # noqa: BLE001 - logged
        fault(_LIBRARY, error)
        return None
    return span, context


def ended(span: Span, handler: RequestHandler, error: BaseException | None) -> None:
    """Record how the request ended, and end the span; does not raise."""
    try:
        if not span.is_recording():
            return
        if isinstance(error, asyncio.CancelledError):
            span.set_attribute("error.type", "asyncio.CancelledError")
        if state.server_headers is not None:
            span.set_attributes(state.server_headers.response(handler._headers.get_all()))  # noqa: SLF001 - no public way
        finish(span, handler.request.method or "", route_of(handler), handler.get_status())
    except Exception as own:  # noqa: BLE001 - logged; the program's response and error stay
        fault(_LIBRARY, own)


def _make_handling(original: Callable[..., None]) -> Callable[..., None]:
    def handle(self: RequestHandler, exception: BaseException, *args: Any, **options: Any) -> None:
        _record(exception)
        original(self, exception, *args, **options)

    return handle


def _record(exception: BaseException) -> None:
    """Record an exception that Tornado turns into a response with 500; a client that has gone does not fail it."""
    try:
        if isinstance(exception, StreamClosedError):
            current_span().set_attribute("error.type", error_type(exception))
        elif isinstance(exception, Exception) and not isinstance(exception, (Finish, HTTPError)):
            fail(current_span(), exception)
    except Exception as error:  # noqa: BLE001 - logged
        fault(_LIBRARY, error)


def route_of(handler: RequestHandler) -> str | None:
    """Return the pattern of the handler's path as the program has written it; None if no rule has led to it."""
    found = next(_patterns(handler.application, handler), None)
    return found[: -found.endswith("$") or None] if found else None


def _patterns(router: Any, handler: RequestHandler) -> Iterator[str]:
    for name in ("default_router", "wildcard_router"):  # an application's own routers
        inner = getattr(router, name, None)
        if inner is not None:
            yield from _patterns(inner, handler)
    for rule in getattr(router, "rules", ()):
        if rule.matcher.match(handler.request) is None:
            continue
        if rule.target is type(handler):
            yield rule.matcher.regex.pattern if isinstance(rule.matcher, PathMatches) else ""
        else:
            yield from _patterns(rule.target, handler)


def describe(request: Any) -> tuple[Shared, dict[str, Any]]:
    """Return the attributes of a request that are known at its start."""
    headers = request.headers
    proxy = {name: headers[name] for name in PROXY_NAMES if name in headers}
    address = getattr(getattr(request.connection, "context", None), "address", None)
    peer = address if isinstance(address, tuple) else ("", 0)  # a Unix socket has none, and Tornado invents one
    client = request.remote_ip if request.remote_ip != _NO_ADDRESS else peer[0]
    origin = origin_of(request.protocol, headers.get("host", ""), (None, None), client or "", proxy)
    return described(
        origin._replace(peer=peer[0]),  # with `xheaders`, Tornado puts the client in its place
        request.method,
        request.version.partition("/")[2],
        request.path,
        request.query,
        headers.get("user-agent"),
        headers.get_all(),
        peer[1],
    )
