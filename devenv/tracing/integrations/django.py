"""Django: a server span for each request, with WSGI or ASGI, with its route and the exception that caused a 500.

Django's modules are imported by name: it is not a dependency, and it has no types.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from opentelemetry.trace import INVALID_SPAN, Span, get_current_span

from devenv.tracing.databases.target import Database
from devenv.tracing.integrations.asgi_servers import traced_application
from devenv.tracing.integrations.wsgi import as_method
from devenv.tracing.process.faults import fault
from devenv.tracing.process.patching import replace
from devenv.tracing.server_side import ROUTE_KEY
from devenv.tracing.spans import SpanScope, fail
from devenv.tracing.sql import many_span, statement_span

# The semantic conventions' names of Django's vendors, if they differ.
_SYSTEMS = {"oracle": "oracle.db"}


def instrument() -> None:
    """Record the route, and an exception that becomes a response, in every handler."""
    replace(import_module("django.core.handlers.base").BaseHandler, "resolve_request", _resolving)
    import_module("django.core.signals").got_request_exception.connect(_failed, dispatch_uid="devenv.tracing")


def instrument_wsgi() -> None:
    """Trace Django's WSGI application."""
    replace(import_module("django.core.handlers.wsgi").WSGIHandler, "__call__", as_method)


def instrument_asgi() -> None:
    """Trace Django's ASGI application."""
    replace(import_module("django.core.handlers.asgi").ASGIHandler, "__call__", traced_application)


def instrument_databases() -> None:
    """Create a client span for each statement of Django's database connections."""
    replace(import_module("django.db.backends.utils").CursorWrapper, "_execute_with_wrappers", _executing)


def _resolving(original: Callable[..., Any]) -> Callable[..., Any]:
    def resolve_request(self: Any, request: Any) -> Any:
        match = original(self, request)
        _note_route(request)
        return match

    return resolve_request


def _note_route(request: Any) -> None:
    try:
        place = getattr(request, "scope", None) or getattr(request, "environ", None)
        route = getattr(request.resolver_match, "route", None)
        if place is not None and route is not None:
            place[ROUTE_KEY] = f"/{route.lstrip('^/')}"
    except Exception as error:  # noqa: BLE001 - logged
        fault("django", error)


def _executing(original: Callable[..., Any]) -> Callable[..., Any]:
    def execute(self: Any, sql: Any, params: Any, many: bool, executor: Any) -> Any:
        with _block(self.db, sql, params if many else None):
            return original(self, sql, params, many, executor)

    return execute


def _block(connection: Any, sql: Any, many: Any) -> SpanScope | Span:
    try:
        system, settings = connection.vendor, connection.settings_dict
        if getattr(connection, "mysql_is_mariadb", False):
            system = "mariadb"
        database = Database(
            _SYSTEMS.get(system, system),
            Path(str(settings.get("NAME") or "")).name,
            str(settings.get("HOST") or ""),
            int(settings.get("PORT") or 0),
        )
        return statement_span(database, str(sql)) if many is None else many_span(database, str(sql), many)
    except Exception as error:  # noqa: BLE001 - logged
        fault("django", error)
        return INVALID_SPAN


def _failed(**_: Any) -> None:
    """Record an exception while Django handles it, in the context of the request."""
    raised = sys.exc_info()[1]
    try:
        if isinstance(raised, Exception):
            fail(get_current_span(), raised)
    except Exception as error:  # noqa: BLE001 - logged
        fault("django", error)
