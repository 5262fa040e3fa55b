"""SQLAlchemy 2: client spans for the statements of one engine or of all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opentelemetry.trace import INVALID_SPAN, Span
from sqlalchemy import event
from sqlalchemy.engine import Engine

from devenv.tracing.databases.target import Database
from devenv.tracing.integrations.databases.transactions import QUIET
from devenv.tracing.process.faults import fault
from devenv.tracing.spans import SpanScope
from devenv.tracing.sql import many_span, statement_span

_LIBRARY = "sqlalchemy"
_SCOPES = "devenv.tracing"
_DATABASE = "devenv.tracing.database"
_ROLLING_BACK = frozenset({"psycopg", "psycopg2", "pymysql"})
_SYSTEMS = {"mssql": "microsoft.sql_server", "oracle": "oracle.db"}


def instrument(engine: Any = Engine) -> None:
    """Trace an engine. Default: every engine of the process. An `AsyncEngine` is traced by its `sync_engine`."""
    target = getattr(engine, "sync_engine", engine)
    for name, listener in _LISTENERS.items():
        if not event.contains(Engine, name, listener) and not event.contains(target, name, listener):
            event.listen(target, name, listener)


def uninstrument(engine: Any = Engine) -> None:
    """Undo `instrument`."""
    target = getattr(engine, "sync_engine", engine)
    for name, listener in _LISTENERS.items():
        if event.contains(target, name, listener):
            event.remove(target, name, listener)


def _connected(_connection: Any, record: Any) -> None:
    """Let the driver's own integration create no second span, nor one for each connection that is returned."""
    try:
        _silence(record.driver_connection)
    except Exception as error:  # noqa: BLE001 - logged
        fault(_LIBRARY, error)


def _silence(driver: Any) -> None:
    try:
        inner: Any = getattr(driver, "_connection", None)
        for found in (driver, inner):
            if getattr(type(found), "quiet", None) is False:
                found.quiet = True
            elif type(found).__module__.partition(".")[0] in _ROLLING_BACK:
                setattr(found, QUIET, True)
    except Exception as error:  # noqa: BLE001 - logged
        fault(_LIBRARY, error)


def _before(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> None:  # noqa: ARG001 - SQLAlchemy's signature
    try:
        scope = _scope(connection, statement, parameters if executemany else None)
        connection.info.setdefault(_SCOPES, []).append(scope)
        scope.__enter__()
    except Exception as error:  # noqa: BLE001 - logged
        fault(_LIBRARY, error)


def _scope(connection: Any, statement: str, many: Any) -> SpanScope | Span:
    try:
        database = connection.info.get(_DATABASE) or _database(connection)
        return statement_span(database, statement) if many is None else many_span(database, statement, many)
    except Exception as error:  # noqa: BLE001 - logged; the end of the statement finds a block all the same
        fault(_LIBRARY, error)
        return INVALID_SPAN


def _database(connection: Any) -> Database:
    """Return the database of an engine's connection, and keep it with the driver's connection."""
    url, dialect = connection.engine.url, connection.dialect
    system = "mariadb" if getattr(dialect, "is_mariadb", False) else _SYSTEMS.get(dialect.name, dialect.name)
    address = str(url.host or url.query.get("host") or url.query.get("unix_socket") or "")
    database = Database(system, (url.database or "").rpartition("/")[2], address, url.port or 0)
    connection.info[_DATABASE] = database
    _silence(connection.connection.driver_connection)  # one that was opened before the engine was traced
    return database


def _after(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> None:  # noqa: ARG001 - SQLAlchemy's signature
    _end(connection, None)


def _failed(context: Any) -> None:
    if context.connection is not None:
        _end(context.connection, context.original_exception)


def _end(connection: Any, error: BaseException | None) -> None:
    try:
        scopes = connection.info.get(_SCOPES)
        if scopes:
            traceback = None if error is None else error.__traceback__
            scopes.pop().__exit__(None if error is None else type(error), error, traceback)
    except Exception as own:  # noqa: BLE001 - logged
        fault(_LIBRARY, own)


_LISTENERS: dict[str, Callable[..., None]] = {
    "connect": _connected,
    "before_cursor_execute": _before,
    "after_cursor_execute": _after,
    "handle_error": _failed,
}
