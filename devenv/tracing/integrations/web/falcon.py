"""Falcon: a server span for each request of a WSGI or ASGI application, with its URI template and its exceptions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from devenv.tracing.asgi import MARK, Receive, Scope, Send, TracingMiddleware
from devenv.tracing.integrations.wsgi import Environ, StartResponse, WSGIMiddleware
from devenv.tracing.process.faults import fault
from devenv.tracing.process.patching import replace
from devenv.tracing.process.stock import taken
from devenv.tracing.server_side import ROUTE_KEY
from devenv.tracing.spans import current_span, fail

_LIBRARY = "falcon"
# The application of a request: Falcon's applications have no place to keep their middleware.
_APPLICATION = "devenv.tracing.falcon"


def instrument() -> None:
    """Trace every WSGI application of the process, and note the routes and exceptions of every ASGI application."""
    from falcon import App

    if taken("falcon"):
        return
    replace(App, "__call__", _make_wsgi)
    replace(App, "_get_responder", _make_responder)
    replace(App, "_handle_exception", _make_handling)


def instrument_asgi() -> None:
    """Trace every ASGI application of the process."""
    from falcon.asgi import App

    if taken("falcon"):
        return
    replace(App, "__call__", _make_asgi)
    replace(App, "_handle_exception", _make_async_handling)


def _make_wsgi(original: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    def below(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        return original(environ[_APPLICATION], environ, start_response)

    middleware = WSGIMiddleware(below)

    def call(self: Any, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        environ[_APPLICATION] = self
        return middleware(environ, start_response)

    return call


def _make_asgi(original: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    async def below(scope: Scope, receive: Receive, send: Send) -> None:
        await original(scope[_APPLICATION], scope, receive, send)

    middleware = TracingMiddleware(below)

    async def call(self: Any, scope: Scope, receive: Receive, send: Send) -> None:
        if MARK in scope:  # served by uvicorn, or below another application: the span is there
            await original(self, scope, receive, send)
        else:
            scope[_APPLICATION] = self
            await middleware(scope, receive, send)

    return call


def _make_responder(original: Callable[..., Any]) -> Callable[..., Any]:
    def find(self: Any, request: Any, *args: Any, **options: Any) -> Any:
        found = original(self, request, *args, **options)
        _note_route(request, found)
        return found

    return find


def _note_route(request: Any, found: Any) -> None:
    """Keep the URI template of a request where the middleware finds it; a sink has none."""
    try:
        template = found[3]
        if template is not None:
            carrier = getattr(request, "scope", None)
            (request.env if carrier is None else carrier)[ROUTE_KEY] = template
    except Exception as error:  # noqa: BLE001 - logged
        fault(_LIBRARY, error)


def _make_handling(original: Callable[..., bool]) -> Callable[..., bool]:
    def handle(self: Any, request: Any, response: Any, exception: BaseException, *args: Any, **options: Any) -> bool:
        handled = original(self, request, response, exception, *args, **options)
        _record(handled, response, exception)
        return handled

    return handle


def _make_async_handling(original: Callable[..., Awaitable[bool]]) -> Callable[..., Awaitable[bool]]:
    async def handle(
        self: Any, request: Any, response: Any, exception: BaseException, *args: Any, **options: Any
    ) -> bool:
        handled = await original(self, request, response, exception, *args, **options)
        _record(handled, response, exception)
        return handled

    return handle


def _record(handled: bool, response: Any, exception: BaseException) -> None:
    """Record an exception that Falcon has turned into a response with 500; the middleware sees those that it raises."""
    try:
        if handled and response is not None and isinstance(exception, Exception) and _is_fault(response, exception):
            fail(current_span(), exception)
    except Exception as error:  # noqa: BLE001 - logged
        fault(_LIBRARY, error)


def _is_fault(response: Any, exception: Exception) -> bool:
    """Whether an exception, other than those that stand for a response, has led to a status of 500 or above."""
    from falcon import HTTPError, HTTPStatus

    if isinstance(exception, (HTTPError, HTTPStatus)):
        return False
    return int(response.status_code) >= 500
