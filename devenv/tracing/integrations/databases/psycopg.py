"""psycopg 3: a client span for each statement, synchronous and asynchronous."""

from __future__ import annotations

from typing import Any

from psycopg import AsyncCursor, AsyncServerCursor, Cursor, ServerCursor

from devenv.tracing.databases.target import Database
from devenv.tracing.integrations.databases.driver import (
    async_executing,
    async_executing_many,
    executing,
    executing_many,
    kept,
)
from devenv.tracing.process.patching import replace
from devenv.tracing.process.stock import taken


def instrument() -> None:
    """Trace the cursors of every connection. Commits and rollbacks of a connection have no span."""
    if taken("psycopg"):
        return
    for cursor in (Cursor, ServerCursor):
        replace(cursor, "execute", executing(_database))
    replace(Cursor, "executemany", executing_many(_database))
    for asynchronous in (AsyncCursor, AsyncServerCursor):
        replace(asynchronous, "execute", async_executing(_database))
    replace(AsyncCursor, "executemany", async_executing_many(_database))


def _database(cursor: Any) -> Database:
    return kept(cursor.connection, _read)


def _read(connection: Any) -> Database:
    info = connection.info
    return Database("postgresql", info.dbname, info.host, info.port)
