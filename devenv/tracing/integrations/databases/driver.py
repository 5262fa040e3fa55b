"""The common part of the drivers: replacements of a cursor's methods that create the span of a statement."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from opentelemetry.trace import INVALID_SPAN, Span

from devenv.tracing.databases.target import Database
from devenv.tracing.process.faults import fault
from devenv.tracing.spans import SpanScope
from devenv.tracing.sql import PROCEDURE, many_span, statement_span

Describe = Callable[[Any], Database]
"""Returns the database of a cursor or connection; may raise."""


KEPT = "_devenv_database"
"""Attribute of a connection, see `kept`."""


def executing(describe: Describe) -> Callable[[Any], Any]:
    """Return the maker of a traced `execute(statement, …)`."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def execute(self: Any, query: Any, *args: Any, **options: Any) -> Any:
            with block(describe, self, query):
                return original(self, query, *args, **options)

        return execute

    return make


def executing_many(describe: Describe) -> Callable[[Any], Any]:
    """Return the maker of a traced `executemany(statement, parameters, …)`."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def executemany(self: Any, query: Any, parameters: Any, *args: Any, **options: Any) -> Any:
            with block_of_many(describe, self, query, parameters):
                return original(self, query, parameters, *args, **options)

        return executemany

    return make


def async_executing(describe: Describe) -> Callable[[Any], Any]:
    """Return the maker of a traced asynchronous `execute(statement, …)`."""

    def make(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def execute(self: Any, query: Any, *args: Any, **options: Any) -> Any:
            with block(describe, self, query):
                return await original(self, query, *args, **options)

        return execute

    return make


def async_executing_many(describe: Describe) -> Callable[[Any], Any]:
    """Return the maker of a traced asynchronous `executemany(statement, parameters, …)`."""

    def make(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def executemany(self: Any, query: Any, parameters: Any, *args: Any, **options: Any) -> Any:
            with block_of_many(describe, self, query, parameters):
                return await original(self, query, parameters, *args, **options)

        return executemany

    return make


def calling(describe: Describe) -> Callable[[Any], Any]:
    """Return the maker of a traced `callproc(name, …)`."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def callproc(self: Any, name: Any, *args: Any, **options: Any) -> Any:
            with block(describe, self, name, PROCEDURE):
                return original(self, name, *args, **options)

        return callproc

    return make


def block(describe: Describe, driven: Any, query: Any, form: str = "") -> SpanScope | Span:
    """Return the block of one statement or, by its form, of a procedure; does not raise."""
    try:
        return statement_span(describe(driven), _text(query, driven), form)
    except Exception as error:  # noqa: BLE001 - logged
        fault("a database driver", error)
        return INVALID_SPAN


def block_of_many(describe: Describe, driven: Any, query: Any, parameters: Any) -> SpanScope | Span:
    """Return the block of a statement with several sets of parameters; does not raise."""
    try:
        return many_span(describe(driven), _text(query, driven), parameters)
    except Exception as error:  # noqa: BLE001 - logged
        fault("a database driver", error)
        return INVALID_SPAN


def kept(connection: Any, read: Callable[[Any], Database]) -> Database:
    """Return the database of a connection, read from it once."""
    found: Database | None = getattr(connection, KEPT, None)
    if found is None:
        found = read(connection)
        setattr(connection, KEPT, found)
    return found


def _text(query: Any, driven: Any) -> str:
    """Return a statement as a text; drivers also take bytes and statements that are composed of parts."""
    if isinstance(query, str):
        return query
    if isinstance(query, (bytes, bytearray)):
        return query.decode("utf-8", "replace")
    composed = getattr(query, "as_string", None)
    return str(composed(driven)) if composed is not None else ""
