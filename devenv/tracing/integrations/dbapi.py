"""DB-API 2.0 drivers: wraps a connection, and creates a client span for each statement."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from devenv.tracing.databases.target import Database
from devenv.tracing.process.faults import fault
from devenv.tracing.sql import FUNCTION, PROCEDURE, many_span, statement_span

if TYPE_CHECKING:
    from typing_extensions import Self

# PEP 249 leaves open what `with connection:` does.
_COMMITTING = frozenset({"psycopg", "psycopg2", "pyodbc", "sqlite3"})


class TracedConnection:
    """Wraps a DB-API connection; other attributes are the driver's.

    Args:
        connection: The driver's connection.
        system: `db.system.name`: `postgresql`, `mysql`, `sqlite`, …
        namespace: The database's name.
        address: The server's name or the path of its socket.
        port: The server's port; recorded if it is not the system's default.
    """

    def __init__(self, connection: Any, system: str, namespace: str = "", *, address: str = "", port: int = 0) -> None:
        self._connection = connection
        self._database = Database(system, namespace, address, port)

    def cursor(self, *args: Any, **options: Any) -> TracedCursor:
        """Return a traced cursor."""
        return TracedCursor(self._connection.cursor(*args, **options), self._database)

    def commit(self) -> None:
        """Commit."""
        with statement_span(self._database, "COMMIT", FUNCTION):
            self._connection.commit()

    def rollback(self) -> None:
        """Roll back."""
        with statement_span(self._database, "ROLLBACK", FUNCTION):
            self._connection.rollback()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def __enter__(self) -> Self:
        self._connection.__enter__()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> Any:
        if not _ends_transaction(self._connection):
            return self._connection.__exit__(exc_type, exc, traceback)
        with statement_span(self._database, "COMMIT" if exc_type is None else "ROLLBACK", FUNCTION):
            return self._connection.__exit__(exc_type, exc, traceback)


def _ends_transaction(connection: Any) -> bool:
    """Whether the end of a ``with`` block commits or rolls back; with other drivers it closes the connection."""
    try:
        driver = type(connection).__module__.partition(".")[0]
        if driver not in _COMMITTING or getattr(connection, "autocommit", None) is True:
            return False
        return bool(getattr(connection, "in_transaction", True))
    except Exception as error:  # noqa: BLE001 - logged; a closed connection may refuse to say
        fault("a database connection", error)
        return False


class TracedCursor:
    """Wraps a DB-API cursor."""

    def __init__(self, cursor: Any, database: Database) -> None:
        self._cursor = cursor
        self._database = database

    def execute(self, operation: str, *args: Any, **options: Any) -> Any:
        """Execute one statement; its parameters are not recorded."""
        with statement_span(self._database, operation):
            return self._own(self._cursor.execute(operation, *args, **options))

    def executemany(self, operation: str, *args: Any, **options: Any) -> Any:
        """Execute one statement for each set of parameters."""
        with many_span(self._database, operation, args[0] if args else None):
            return self._own(self._cursor.executemany(operation, *args, **options))

    def callproc(self, name: str, *args: Any) -> Any:
        """Call a stored procedure."""
        with statement_span(self._database, name, PROCEDURE):
            return self._cursor.callproc(name, *args)

    def _own(self, result: Any) -> Any:
        return self if result is self._cursor else result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._cursor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._cursor.close()
