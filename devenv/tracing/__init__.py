"""Tracing for services: `setup`, middleware, spans, clients, queues and databases.

It does not import the rest of devenv. Names are loaded when they are first used, so that `import devenv.tracing`
costs almost nothing.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # importing `typing` takes longer than the rest
if TYPE_CHECKING:
    from typing import Any

    from devenv.tracing.asgi import TracingMiddleware
    from devenv.tracing.automatic import auto
    from devenv.tracing.clients import client_span
    from devenv.tracing.errors import ConfigError, TracingError
    from devenv.tracing.export.exporter import ExportStats
    from devenv.tracing.headers import extract, inject
    from devenv.tracing.integrations.aiohttp_client import aiohttp_trace_config
    from devenv.tracing.integrations.aiohttp_server import aiohttp_middleware
    from devenv.tracing.integrations.httpx_client import AsyncHTTPXTransport, HTTPXTransport
    from devenv.tracing.integrations.sqlite import sqlite_connection
    from devenv.tracing.integrations.threads import TracedExecutor
    from devenv.tracing.integrations.wsgi import WSGIMiddleware
    from devenv.tracing.queues import ThreadQueue, TracedQueue
    from devenv.tracing.runtime import Tracing, setup
    from devenv.tracing.settings import Settings
    from devenv.tracing.spans import (
        add_event,
        current_ids,
        current_span,
        record_exception,
        set_attributes,
        set_status_error,
        span,
        traced,
    )
    from devenv.tracing.sql import db_span
    from devenv.tracing.tasks import attached, capture, create_task, run_in_thread, wrap

_WHERE = {
    "AsyncHTTPXTransport": "integrations.httpx_client",
    "ConfigError": "errors",
    "ExportStats": "export.exporter",
    "HTTPXTransport": "integrations.httpx_client",
    "Settings": "settings",
    "ThreadQueue": "queues",
    "TracedExecutor": "integrations.threads",
    "TracedQueue": "queues",
    "Tracing": "runtime",
    "TracingError": "errors",
    "TracingMiddleware": "asgi",
    "WSGIMiddleware": "integrations.wsgi",
    "add_event": "spans",
    "aiohttp_middleware": "integrations.aiohttp_server",
    "aiohttp_trace_config": "integrations.aiohttp_client",
    "attached": "tasks",
    "auto": "automatic",
    "capture": "tasks",
    "client_span": "clients",
    "create_task": "tasks",
    "current_ids": "spans",
    "current_span": "spans",
    "db_span": "sql",
    "extract": "headers",
    "inject": "headers",
    "record_exception": "spans",
    "run_in_thread": "tasks",
    "set_attributes": "spans",
    "set_status_error": "spans",
    "setup": "runtime",
    "span": "spans",
    "sqlite_connection": "integrations.sqlite",
    "traced": "spans",
    "wrap": "tasks",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
    globals()[name] = value
    return value


__all__ = [
    "AsyncHTTPXTransport",
    "ConfigError",
    "ExportStats",
    "HTTPXTransport",
    "Settings",
    "ThreadQueue",
    "TracedExecutor",
    "TracedQueue",
    "Tracing",
    "TracingError",
    "TracingMiddleware",
    "WSGIMiddleware",
    "add_event",
    "aiohttp_middleware",
    "aiohttp_trace_config",
    "attached",
    "auto",
    "capture",
    "client_span",
    "create_task",
    "current_ids",
    "current_span",
    "db_span",
    "extract",
    "inject",
    "record_exception",
    "run_in_thread",
    "set_attributes",
    "set_status_error",
    "setup",
    "span",
    "sqlite_connection",
    "traced",
    "wrap",
]
