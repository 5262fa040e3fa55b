"""sqlite3: connections whose statements are client spans."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from devenv.tracing.active import state
from devenv.tracing.context.ambient import current
from devenv.tracing.context.suppression import is_suppressed
from devenv.tracing.databases.target import Database
from devenv.tracing.process.faults import fault
from devenv.tracing.process.patching import replace
from devenv.tracing.sql import FUNCTION, many_span, statement_span

# Positional arguments of sqlite3.connect between the database and the factory.
_FACTORY_POSITION = 5
# Direct calls of the base classes, without a lookup of super().
_cursor = sqlite3.Connection.cursor
_execute = sqlite3.Cursor.execute
_UNNAMED = Database("sqlite")


class TracedCursor(sqlite3.Cursor):
    """A cursor whose statements are spans; no parameter is recorded."""

    __slots__ = ()

    def execute(self, sql: str, parameters: Any = (), /) -> TracedCursor:
        """Execute one statement."""
        if state.skips() is not None:
            _execute(self, sql, parameters)
            return self
        with statement_span(_database(self), sql) as span:
            super().execute(sql, parameters)
            _count(span, self.rowcount)
        return self

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> TracedCursor:
        """Execute one statement for each set of parameters."""
        with many_span(_database(self), sql, parameters) as span:
            super().executemany(sql, parameters)
            _count(span, self.rowcount)
        return self

    def executescript(self, sql_script: str, /) -> TracedCursor:
        """Execute several statements; the span's summary has the operations of all."""
        with statement_span(_database(self), sql_script):
            super().executescript(sql_script)
        return self


class TracedConnection(sqlite3.Connection):
    """A connection whose statements, commits and rollbacks are spans.

    Attributes:
        database: The database, with its file's name.
        quiet: Whether another integration, above this one, creates these spans.
    """

    database = _UNNAMED
    quiet = False

    def cursor(self, factory: Any = TracedCursor) -> Any:
        """Return a traced cursor."""
        return _cursor(self, sqlite3.Cursor if self.quiet and factory is TracedCursor else factory)

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """Execute one statement on a new cursor."""
        cursor: sqlite3.Cursor = self.cursor()
        if self.quiet or state.skips() is not None:
            return _execute(cursor, sql, parameters)
        return cursor.execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
        """Execute one statement for each set of parameters on a new cursor."""
        cursor: sqlite3.Cursor = self.cursor()
        return cursor.executemany(sql, parameters)

    def executescript(self, sql_script: str, /) -> sqlite3.Cursor:
        """Execute several statements on a new cursor."""
        cursor: sqlite3.Cursor = self.cursor()
        return cursor.executescript(sql_script)

    def commit(self) -> None:
        """Commit; a span only if a transaction is open."""
        if self.quiet or not self.in_transaction:
            super().commit()
            return
        with statement_span(self.database, "COMMIT", FUNCTION):
            super().commit()

    def rollback(self) -> None:
        """Roll back; a span only if a transaction is open."""
        if self.quiet or not self.in_transaction:
            super().rollback()
            return
        with statement_span(self.database, "ROLLBACK", FUNCTION):
            super().rollback()

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> Literal[False]:
        """Commit, or roll back after an exception; a span only if a transaction is open."""
        if self.quiet or not self.in_transaction or getattr(self, "autocommit", None) is True:  # the last: does neither
            return super().__exit__(exc_type, exc, traceback)
        with statement_span(self.database, "COMMIT" if exc_type is None else "ROLLBACK", FUNCTION):
            return super().__exit__(exc_type, exc, traceback)


def sqlite_connection(path: str | Path, **options: Any) -> TracedConnection:
    """Open a traced connection.

    Args:
        path: The database's file, or `:memory:`.
        **options: Options of `sqlite3.connect`.

    Raises:
        sqlite3.OperationalError: If the file cannot be opened.
    """
    connection = sqlite3.connect(path, factory=TracedConnection, **options)
    _name(connection, path)
    return connection


def instrument() -> None:
    """Trace every connection that `sqlite3.connect` opens with the default factory."""
    replace(sqlite3, "connect", _connecting)


def _connecting(original: Callable[..., sqlite3.Connection]) -> Callable[..., sqlite3.Connection]:
    def connect(database: Any, *args: Any, **options: Any) -> sqlite3.Connection:
        if len(args) < _FACTORY_POSITION and not is_suppressed(current()):
            options.setdefault("factory", TracedConnection)
        connection = original(database, *args, **options)
        if isinstance(connection, TracedConnection):
            _name(connection, database)
        return connection

    return connect


def _name(connection: TracedConnection, database: Any) -> None:
    try:
        connection.database = Database("sqlite", Path(str(database)).name)
    except Exception as error:  # noqa: BLE001 - logged
        fault("sqlite3", error)


def _database(cursor: sqlite3.Cursor) -> Database:
    try:
        return getattr(cursor.connection, "database", _UNNAMED)
    except Exception as error:  # noqa: BLE001 - logged
        fault("sqlite3", error)
        return _UNNAMED


def _count(span: Any, rows: int) -> None:
    try:
        if rows >= 0:
            span.set_attribute("db.response.affected_rows", rows)
    except Exception as error:  # noqa: BLE001 - logged
        fault("sqlite3", error)
