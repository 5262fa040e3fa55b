"""Traces ASGI applications without code changes: Starlette, FastAPI, and what uvicorn and hypercorn serve."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from devenv.tracing.active import state
from devenv.tracing.asgi import FASTAPI, MARK, Receive, Scope, Send, TracingMiddleware
from devenv.tracing.process.faults import fault
from devenv.tracing.process.patching import replace

# uvicorn's middleware for --proxy-headers; it replaces the scope's client and scheme if it trusts the peer.
_PROXY_HEADERS = "ProxyHeadersMiddleware"


def instrument_starlette() -> None:
    """Trace every Starlette and FastAPI application of the process."""
    from starlette.applications import Starlette

    replace(Starlette, "__call__", traced_application)


def instrument_fastapi() -> None:
    """Trace every FastAPI application outside its own telemetry, which leaves the requests to us then."""
    from fastapi.applications import FastAPI

    replace(FastAPI, "__call__", lambda original: _alone(traced_application(original)))


def _alone(application: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    async def call(self: Any, scope: Scope, receive: Receive, send: Send) -> None:
        if state.tracing is not None:
            scope.setdefault(FASTAPI, None)
        await application(self, scope, receive, send)

    return call


def instrument_uvicorn() -> None:
    """Trace every application that uvicorn serves in this process."""
    import uvicorn

    replace(uvicorn.Config, "load", _load)
    # If the program itself calls `auto`, `load` is what imports it, and runs already.
    replace(uvicorn.Server, "startup", _starting)


def instrument_hypercorn() -> None:
    """Trace every ASGI application that hypercorn serves in this process."""
    from hypercorn.app_wrappers import ASGIWrapper

    replace(ASGIWrapper, "__init__", _wrapping)


def traced_application(original: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Wrap a framework's `__call__` in the middleware, one per application."""
    key = f"_devenv_tracing_{original.__module__}"  # a framework's class may call that of the one below it

    async def call(self: Any, scope: Scope, receive: Receive, send: Send) -> None:
        if MARK in scope:
            await original(self, scope, receive, send)
        else:
            middleware = self.__dict__.get(key) or _middleware(self, key, original)
            await middleware(scope, receive, send)

    return call


def _middleware(application: Any, key: str, original: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Return the middleware of an application, the application itself if that fails."""
    served: Callable[..., Awaitable[None]] = original.__get__(application)
    try:
        served = application.__dict__[key] = TracingMiddleware(served)
    except Exception as error:  # noqa: BLE001 - logged
        fault("an ASGI application", error)
    return served


def _load(original: Callable[[Any], None]) -> Callable[[Any], None]:
    def load(self: Any) -> None:
        original(self)
        _trace_loaded(self)

    return load


def _starting(original: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    def startup(self: Any, *arguments: Any, **named: Any) -> Awaitable[None]:
        _trace_loaded(getattr(self, "config", None))
        return original(self, *arguments, **named)

    return startup


def _trace_loaded(config: Any) -> None:
    """Trace the application that uvicorn has loaded, with the client and the scheme that its proxy headers give."""
    try:
        if config.interface.startswith("asgi"):
            fixed = config.loaded_app
            inside = type(fixed).__name__ == _PROXY_HEADERS and callable(getattr(fixed, "app", None))
            _trace_held(*((fixed, "app") if inside else (config, "loaded_app")))
    except Exception as error:  # noqa: BLE001 - logged
        fault("uvicorn", error)


def _wrapping(original: Callable[..., None]) -> Callable[..., None]:
    def init(self: Any, *arguments: Any, **named: Any) -> None:
        original(self, *arguments, **named)
        try:
            _trace_held(self, "app")
        except Exception as error:  # noqa: BLE001 - logged
            fault("hypercorn", error)

    return init


def _trace_held(place: Any, name: str) -> None:
    """Wrap the application that a server holds in the middleware, once."""
    application = getattr(place, name)
    if not isinstance(application, TracingMiddleware):
        setattr(place, name, TracingMiddleware(application))
