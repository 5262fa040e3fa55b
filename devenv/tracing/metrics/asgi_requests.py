"""Measures the requests of ASGI applications, around the middleware that traces them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from operator import itemgetter
from time import perf_counter
from typing import Any

from devenv.tracing.active import state
from devenv.tracing.asgi import GONE, MARK, Receive, Scope, Send, TracingMiddleware, describe, route_of
from devenv.tracing.metrics.served import served
from devenv.tracing.process.faults import fault
from devenv.tracing.process.patching import replace
from devenv.tracing.process.request_origin import PROXY_FIELDS

_PLACE = "the duration of a request"
_name = itemgetter(0)


def install() -> None:
    """Measure each request that our middleware serves."""
    replace(TracingMiddleware, "__call__", _measuring)


def _measuring(original: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    async def call(self: TracingMiddleware, scope: Scope, receive: Receive, send: Send) -> None:
        if state.meter is None or MARK in scope or scope.get("type") != "http":
            await original(self, scope, receive, send)
            return
        began = perf_counter()
        status = 0

        def watched(message: MutableMapping[str, Any]) -> Awaitable[None]:
            nonlocal status
            if not status:
                try:
                    status = message.get("status", 0)
                except Exception as error:  # noqa: BLE001 - logged; the server judges the message
                    fault(_PLACE, error)
            return send(message)

        try:
            await original(self, scope, receive, watched)
        except BaseException as error:
            _record(self, scope, status, began, error)
            raise
        _record(self, scope, status, began)

    return call


def _record(
    middleware: TracingMiddleware, scope: Scope, status: int, began: float, error: BaseException | None = None
) -> None:
    """Record a request that our middleware has served, unless its path is excluded; does not raise."""
    seconds = perf_counter() - began
    try:
        meter = state.meter
        side = middleware._side  # noqa: SLF001 - of the class whose method is replaced
        # Without the mark, another instrumentation has served it: FastAPI's own.
        if meter is None or MARK not in scope or side.is_excluded(scope, scope["path"], describe):
            return
        if not status and isinstance(error, Exception) and type(error).__name__ != GONE:
            status = 500  # the server responds so
        if PROXY_FIELDS.isdisjoint(map(_name, scope["headers"])):
            scheme = scope.get("scheme", "http")
        else:
            scheme = describe(scope)[0].values["url.scheme"]
        method, version = scope.get("method", "GET"), scope.get("http_version")
        if method in state.methods and 0 < status < 500 and error is None:  # nearly all: one call less
            meter.server((method, scheme, status, route_of(scope), version, None), seconds)
        else:
            meter.server(served(method, scheme, status, route_of(scope), version, error), seconds)
    except Exception as own:  # noqa: BLE001 - logged; the program's own exception stays
        fault(_PLACE, own)
