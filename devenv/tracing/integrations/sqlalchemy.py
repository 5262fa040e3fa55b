"""SQLAlchemy 2: client spans for the statements of one engine or of all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from devenv.tracing.sql import db_span

_SCOPES = "devenv.tracing"
_SYSTEMS = {"mssql": "microsoft.sql_server", "oracle": "oracle.db"}


def instrument(engine: Any = Engine) -> None:
    """Trace an engine. Default: every engine of the process. An `AsyncEngine` is traced by its `sync_engine`."""
    target = getattr(engine, "sync_engine", engine)
    for name, listener in _LISTENERS.items():
        if not event.contains(target, name, listener):
            event.listen(target, name, listener)


def uninstrument(engine: Any = Engine) -> None:
    """Undo `instrument`."""
    target = getattr(engine, "sync_engine", engine)
    for name, listener in _LISTENERS.items():
        if event.contains(target, name, listener):
            event.remove(target, name, listener)


def _before(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> None:  # noqa: ARG001 - SQLAlchemy's signature
    dialect = connection.dialect.name
    namespace = connection.engine.url.database or ""
    scope = db_span(_SYSTEMS.get(dialect, dialect), statement, namespace=namespace.rpartition("/")[2])
    scope.__enter__()
    connection.info.setdefault(_SCOPES, []).append(scope)


def _after(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> None:  # noqa: ARG001 - SQLAlchemy's signature
    scopes = connection.info.get(_SCOPES)
    if scopes:
        scopes.pop().__exit__(None, None, None)


def _failed(context: Any) -> None:
    scopes = context.connection.info.get(_SCOPES) if context.connection is not None else None
    if scopes:
        error = context.original_exception
        scopes.pop().__exit__(type(error), error, error.__traceback__)


_LISTENERS: dict[str, Callable[..., None]] = {
    "before_cursor_execute": _before,
    "after_cursor_execute": _after,
    "handle_error": _failed,
}
