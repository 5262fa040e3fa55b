"""Traces ASGI applications without code changes: Starlette, FastAPI, and applications served by uvicorn."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from devenv.tracing.asgi import Receive, Scope, Send, TracingMiddleware
from devenv.tracing.process.patching import replace


def instrument_starlette() -> None:
    """Trace every Starlette and FastAPI application of the process."""
    from starlette.applications import Starlette

    replace(Starlette, "__call__", traced_application)


def instrument_uvicorn() -> None:
    """Trace every application that uvicorn serves in this process."""
    import uvicorn

    replace(uvicorn.Config, "load", _load)


def traced_application(original: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Wrap a framework's `__call__` in the middleware, one per application."""

    async def call(self: Any, scope: Scope, receive: Receive, send: Send) -> None:
        middleware = self.__dict__.get("_devenv_tracing")
        if middleware is None:
            middleware = self.__dict__["_devenv_tracing"] = TracingMiddleware(original.__get__(self))
        await middleware(scope, receive, send)

    return call


def _load(original: Callable[[Any], None]) -> Callable[[Any], None]:
    def load(self: Any) -> None:
        original(self)
        if self.interface.startswith("asgi") and not isinstance(self.loaded_app, TracingMiddleware):
            self.loaded_app = TracingMiddleware(self.loaded_app)

    return load
