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
from devenv.tracing.process.faults import fault
from devenv.tracing.process.patching import replace
from devenv.tracing.sql import db_span

# Positional arguments of sqlite3.connect between the database and the factory.
_FACTORY_POSITION = 5
# Direct calls of the base classes, without a lookup of super().
_cursor = sqlite3.Connection.cursor
_execute = sqlite3.Cursor.execute


class TracedCursor(sqlite3.Cursor):
    """A cursor whose statements are spans; no parameter is recorded."""

    __slots__ = ()

    def execute(self, sql: str, parameters: Any = (), /) -> TracedCursor:
        """Execute one statement."""
        if state.passive() is not None:
            _execute(self, sql, parameters)
            return self
        with db_span("sqlite", sql, namespace=_namespace(self)) as span:
            super().execute(sql, parameters)
            _count(span, self.rowcount)
        return self

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> TracedCursor:
        """Execute one statement for each set of parameters."""
        with db_span("sqlite", sql, namespace=_namespace(self)) as span:
            super().executemany(sql, parameters)
            _count(span, self.rowcount)
        return self

    def executescript(self, sql_script: str, /) -> TracedCursor:
        """Execute several statements; the span shows the first one's operation."""
        with db_span("sqlite", sql_script, namespace=_namespace(self)):
            super().executescript(sql_script)
        return self


class TracedConnection(sqlite3.Connection):
    """A connection whose statements, commits and rollbacks are spans.

    Attributes:
        namespace: The database's name.
        quiet: Whether another integration, above this one, creates these spans.
    """

    namespace = ""
    quiet = False

    def cursor(self, factory: Any = TracedCursor) -> Any:
        """Return a traced cursor."""
        return _cursor(self, sqlite3.Cursor if self.quiet and factory is TracedCursor else factory)

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """Execute one statement on a new cursor."""
        cursor: sqlite3.Cursor = self.cursor()
        if self.quiet or state.passive() is not None:
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
        with db_span("sqlite", "COMMIT", namespace=self.namespace):
            super().commit()

    def rollback(self) -> None:
        """Roll back; a span only if a transaction is open."""
        if self.quiet or not self.in_transaction:
            super().rollback()
            return
        with db_span("sqlite", "ROLLBACK", namespace=self.namespace):
            super().rollback()

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> Literal[False]:
        """Commit, or roll back after an exception; a span only if a transaction is open."""
        if self.quiet or not self.in_transaction or getattr(self, "autocommit", None) is True:  # the last: does neither
            return super().__exit__(exc_type, exc, traceback)
        with db_span("sqlite", "COMMIT" if exc_type is None else "ROLLBACK", namespace=self.namespace):
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
    connection.namespace = Path(path).name
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
        connection.namespace = Path(str(database)).name
    except Exception as error:  # noqa: BLE001 - logged
        fault("sqlite3", error)


def _namespace(cursor: sqlite3.Cursor) -> str:
    try:
        return getattr(cursor.connection, "namespace", "")
    except Exception as error:  # noqa: BLE001 - logged
        fault("sqlite3", error)
        return ""


def _count(span: Any, rows: int) -> None:
    try:
        if rows >= 0:
            span.set_attribute("db.response.affected_rows", rows)
    except Exception as error:  # noqa: BLE001 - logged
        fault("sqlite3", error)
