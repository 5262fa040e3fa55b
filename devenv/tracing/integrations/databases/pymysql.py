"""PyMySQL: a client span for each statement and procedure."""

from __future__ import annotations

from typing import Any

from pymysql.cursors import Cursor  # type: ignore[import-untyped] # it has no types

from devenv.tracing.databases.target import Database
from devenv.tracing.integrations.databases.driver import executing, executing_many, kept
from devenv.tracing.process.patching import replace
from devenv.tracing.process.stock import taken


def instrument() -> None:
    """Trace the cursors of every connection. Commits and rollbacks of a connection have no span."""
    if taken("pymysql"):
        return
    replace(Cursor, "execute", executing(_database))
    replace(Cursor, "executemany", executing_many(_database))


def _database(cursor: Any) -> Database:
    return kept(cursor.connection, _read)


def _read(connection: Any) -> Database:
    system = "mariadb" if "MariaDB" in str(connection.get_server_info()) else "mysql"
    name = connection.db.decode("utf-8", "replace") if isinstance(connection.db, bytes) else connection.db
    return Database(system, name or "", connection.unix_socket or connection.host or "", connection.port or 0)
