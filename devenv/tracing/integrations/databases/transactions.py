"""Commit and rollback of a driver's connections: a span if a transaction is open, which the driver knows by itself.

Below SQLAlchemy a rollback has none: it rolls back what was only read each time a connection is returned.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from opentelemetry.trace import INVALID_SPAN, Span

from devenv.tracing.databases.target import Database
from devenv.tracing.process.faults import fault
from devenv.tracing.spans import SpanScope
from devenv.tracing.sql import FUNCTION, statement_span

QUIET = "_devenv_quiet"
"""Attribute of a connection: whether a library above it rolls back for itself."""

ROLLBACK = "ROLLBACK"
COMMIT = "COMMIT"

IsOpen = Callable[[Any], bool]
"""Whether a connection has an open transaction; may raise."""


def ending(statement: str, describe: Callable[[Any], Database], is_open: IsOpen) -> Callable[[Any], Any]:
    """Return the maker of a traced `commit()` or `rollback()` of a connection."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def end(self: Any, *args: Any, **options: Any) -> Any:
            with block_of_end(statement, describe, is_open, self):
                return original(self, *args, **options)

        return end

    return make


def async_ending(statement: str, describe: Callable[[Any], Database], is_open: IsOpen) -> Callable[[Any], Any]:
    """Return the maker of a traced asynchronous `commit()` or `rollback()` of a connection."""

    def make(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def end(self: Any, *args: Any, **options: Any) -> Any:
            with block_of_end(statement, describe, is_open, self):
                return await original(self, *args, **options)

        return end

    return make


def block_of_end(
    statement: str, describe: Callable[[Any], Database], is_open: IsOpen, connection: Any
) -> SpanScope | Span:
    """Return the block of the end of a transaction; does not raise."""
    try:
        if not is_open(connection) or (statement is ROLLBACK and getattr(connection, QUIET, False)):
            return INVALID_SPAN
        return statement_span(describe(connection), statement, FUNCTION)
    except Exception as error:  # noqa: BLE001 - logged
        fault("a database driver", error)
        return INVALID_SPAN
