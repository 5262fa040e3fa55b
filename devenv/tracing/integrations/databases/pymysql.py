"""PyMySQL: a client span for each statement, procedure, commit and rollback."""

from __future__ import annotations

from typing import Any

from pymysql.connections import Connection  # type: ignore[import-untyped] # it has no types
from pymysql.constants import SERVER_STATUS  # type: ignore[import-untyped] # it has no types
from pymysql.cursors import Cursor  # type: ignore[import-untyped] # it has no types

from devenv.tracing.databases.target import Database
from devenv.tracing.integrations.databases.driver import calling, executing, executing_many, kept
from devenv.tracing.integrations.databases.transactions import COMMIT, ROLLBACK, ending
from devenv.tracing.process.patching import replace
from devenv.tracing.process.stock import taken


def instrument() -> None:
    """Trace every connection."""
    if taken("pymysql"):
        return
    replace(Cursor, "execute", executing(_database))
    replace(Cursor, "executemany", executing_many(_database))
    replace(Cursor, "callproc", calling(_database))
    replace(Connection, "commit", ending(COMMIT, _of_connection, _is_open))
    replace(Connection, "rollback", ending(ROLLBACK, _of_connection, _is_open))


def _is_open(connection: Any) -> bool:
    return bool(connection.open and connection.server_status & SERVER_STATUS.SERVER_STATUS_IN_TRANS)


def _of_connection(connection: Any) -> Database:
    return kept(connection, _read)


def _database(cursor: Any) -> Database:
    return kept(cursor.connection, _read)


def _read(connection: Any) -> Database:
    system = "mariadb" if "MariaDB" in str(connection.get_server_info()) else "mysql"
    name = connection.db.decode("utf-8", "replace") if isinstance(connection.db, bytes) else connection.db
    return Database(system, name or "", connection.unix_socket or connection.host or "", connection.port or 0)
