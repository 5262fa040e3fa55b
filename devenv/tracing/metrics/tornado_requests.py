"""Measures the requests of Tornado's handlers; a websocket, which lasts to its end, is not one."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

from devenv.tracing.active import state
from devenv.tracing.integrations.web import tornado_server
from devenv.tracing.integrations.web.tornado_server import describe, route_of
from devenv.tracing.metrics.served import is_websocket, served
from devenv.tracing.process.faults import fault
from devenv.tracing.process.patching import replace

_PLACE = "the duration of a request"
_BEGAN = "_devenv_tracing_began"


def install() -> None:
    """Measure each request that our integration serves."""
    replace(tornado_server, "begin", _beginning)
    replace(tornado_server, "ended", _ending)


def _beginning(original: Callable[..., Any]) -> Callable[..., Any]:
    def begin(side: Any, handler: Any) -> Any:
        began = perf_counter()
        found = original(side, handler)
        if found is not None:
            _note(side, handler, began)
        return found

    return begin


def _note(side: Any, handler: Any, began: float) -> None:
    try:
        request = handler.request
        if state.meter is not None and not side.is_excluded(request, request.path, describe):
            setattr(handler, _BEGAN, began)
    except Exception as error:  # noqa: BLE001 - logged
        fault(_PLACE, error)


def _ending(original: Callable[..., None]) -> Callable[..., None]:
    def ended(span: Any, handler: Any, error: BaseException | None) -> None:
        original(span, handler, error)
        _record(handler, error)

    return ended


def _record(handler: Any, error: BaseException | None) -> None:
    try:
        meter, began = state.meter, getattr(handler, _BEGAN, None)
        status = handler.get_status()
        if meter is None or began is None or is_websocket(status):
            return
        seconds, request = perf_counter() - began, handler.request
        scheme = describe(request)[0].values["url.scheme"]
        version = request.version.partition("/")[2]
        meter.server(served(request.method or "", scheme, status, route_of(handler), version, error), seconds)
    except Exception as own:  # noqa: BLE001 - logged
        fault(_PLACE, own)
