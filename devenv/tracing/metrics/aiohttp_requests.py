"""Measures the requests of aiohttp's applications; a websocket, which lasts to its end, is not one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any

from aiohttp import web
from opentelemetry.trace import Span

from devenv.tracing.active import state
from devenv.tracing.integrations import aiohttp_server
from devenv.tracing.integrations.aiohttp_server import SENT, describe, is_gone, route_of
from devenv.tracing.light.unsampled import UnsampledSpan
from devenv.tracing.metrics.served import is_websocket, served
from devenv.tracing.process.faults import fault
from devenv.tracing.process.patching import replace

_PLACE = "the duration of a request"
_Traced = Callable[..., Awaitable[web.StreamResponse]]


class Unrecorded(UnsampledSpan):
    """Stands for the span of a request that is measured and not recorded: the middleware has to see its end."""


def install() -> None:
    """Measure each request that our middleware serves."""
    replace(aiohttp_server, "begin", _beginning)
    replace(aiohttp_server, "traced", _measuring)


def _beginning(original: Callable[..., Any]) -> Callable[..., Any]:
    def begin(side: Any, request: web.Request) -> Any:
        found = original(side, request)
        return found if found is None else (_watched(side, request, found[0]), found[1])

    return begin


def _watched(side: Any, request: web.Request, span: Span) -> Span:
    try:
        if state.meter is None or side.is_excluded(request, request.path, describe):
            return span
        request[_BEGAN] = perf_counter()
        return Unrecorded(span.hex, span.flags, span.state) if span.__class__ is UnsampledSpan else span
    except Exception as error:  # noqa: BLE001 - logged
        fault(_PLACE, error)
        return span


_BEGAN: Any = web.RequestKey("devenv.tracing.began", float) if hasattr(web, "RequestKey") else "devenv.tracing.began"


def _measuring(original: _Traced) -> _Traced:
    async def traced(span: Span, request: web.Request, *args: Any) -> web.StreamResponse:
        try:
            response = await original(span, request, *args)
        except BaseException as error:
            _record(request, None, error)
            raise
        _record(request, response, None)
        return response

    return traced


def _record(request: web.Request, response: web.StreamResponse | None, error: BaseException | None) -> None:
    """Record how a request ended; does not raise."""
    try:
        meter, began = state.meter, request.get(_BEGAN)
        if meter is None or began is None:
            return
        seconds = perf_counter() - began
        status: int = request[SENT].status
        answered = error if isinstance(error, web.HTTPException) else response
        if answered is not None:
            status, error = answered.status, None
        elif error is None or (
            isinstance(error, Exception) and not (isinstance(error, ConnectionError) and is_gone(request))
        ):
            status = status or 500
        if is_websocket(status):
            return
        scheme = describe(request)[0].values["url.scheme"]
        version = f"{request.version.major}.{request.version.minor}"
        meter.server(served(request.method, scheme, status, route_of(request), version, error), seconds)
    except Exception as own:  # noqa: BLE001 - logged; the program's response and error stay
        fault(_PLACE, own)
