"""PyMySQL: a client span for each statement and procedure."""

from __future__ import annotations

from typing import Any

from pymysql.cursors import Cursor  # type: ignore[import-untyped] # it has no types

from devenv.tracing.databases.target import Database
from devenv.tracing.integrations.databases.driver import executing, executing_many, taken
from devenv.tracing.process.patching import replace

_KEPT = "_devenv_database"


def instrument() -> None:
    """Trace the cursors of every connection. Commits and rollbacks of a connection have no span."""
    if taken("pymysql"):
        return
    replace(Cursor, "execute", executing(_database))
    replace(Cursor, "executemany", executing_many(_database))


def _database(cursor: Any) -> Database:
    connection = cursor.connection
    kept: Database | None = getattr(connection, _KEPT, None)
    if kept is None:
        system = "mariadb" if "MariaDB" in str(connection.get_server_info()) else "mysql"
        name = connection.db.decode("utf-8", "replace") if isinstance(connection.db, bytes) else connection.db
        kept = Database(system, name or "", connection.unix_socket or connection.host or "", connection.port or 0)
        setattr(connection, _KEPT, kept)
    return kept
