"""Programs with the drivers of databases, for `test_own_faults`, over objects in the place of connections."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import asyncpg
import psycopg
import psycopg2
import pymysql
from asyncpg.prepared_stmt import PreparedStatement
from psycopg import sql
from psycopg2.extensions import TRANSACTION_STATUS_INTRANS

from devenv.tracing.integrations.databases import asyncpg as asyncpg_integration
from devenv.tracing.integrations.databases import psycopg as psycopg_integration
from devenv.tracing.integrations.databases import psycopg2 as psycopg2_integration
from devenv.tracing.integrations.databases import pymysql as pymysql_integration

INFO = SimpleNamespace(dbname="shop", host="db.test", port=5432)
MANY = [(1,), (2,)]


def seen(call: Callable[[], Any]) -> str:
    """What the driver itself says of an object that is not a cursor."""
    try:
        return str(call())
    except AttributeError as error:
        return str(error)


def with_psycopg(_url: str) -> Any:
    """Statements of both kinds, one of them composed of parts."""
    psycopg_integration.instrument()
    pgconn = SimpleNamespace(transaction_status=psycopg.pq.TransactionStatus.INTRANS)
    connection: Any = SimpleNamespace(info=INFO, pgconn=pgconn)
    cursor: Any = SimpleNamespace(connection=connection)
    return [
        seen(lambda: psycopg.Connection.commit(connection)),
        seen(lambda: psycopg.Cursor.execute(cursor, sql.SQL("SELECT 1"))),
        seen(lambda: psycopg.Cursor.executemany(cursor, b"INSERT INTO t VALUES (%s)", MANY)),
        seen(lambda: asyncio.run(psycopg.AsyncCursor.execute(cursor, "SELECT 1"))),
        seen(lambda: asyncio.run(psycopg.AsyncCursor.executemany(cursor, "INSERT INTO t VALUES (%s)", MANY))),
    ]


class Rows:
    """A cursor that keeps what it is asked."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.asked: list[Any] = []

    def execute(self, *query: Any) -> None:
        self.asked.append(query)

    executemany = callproc = copy_expert = copy_from = copy_to = execute


class Connected:
    """A connection of psycopg2's form, to no server."""

    info = INFO
    closed = 0

    def __init__(self, *_dsn: Any) -> None:
        pass

    def cursor(self, name: Any = None, cursor_factory: Any = Rows, scrollable: Any = None) -> Any:
        made = cursor_factory(self)
        made.asked.append((name, scrollable))
        return made

    def get_transaction_status(self) -> int:
        return TRANSACTION_STATUS_INTRANS

    def commit(self) -> str:
        return "committed"

    rollback = commit


def with_psycopg2(_url: str) -> Any:
    """A cursor with a name, and its statements."""
    psycopg2_integration.instrument()
    psycopg2_integration._connection_class.cache_clear()  # the classes have the functions that faults are planted in
    psycopg2_integration._cursor_class.cache_clear()
    connection: Any = psycopg2.connect("dbname=shop", Connected)
    cursor = connection.cursor("named", Rows, True)
    cursor.execute("SELECT 1")
    cursor.executemany("INSERT INTO t VALUES (%s)", MANY)
    cursor.callproc("restock")
    return [*cursor.asked, connection.commit()]


def with_asyncpg(_url: str) -> Any:
    """Statements of a connection and of a prepared statement."""
    asyncpg_integration.instrument()
    connection: Any = SimpleNamespace(_addr=("db.test", 5432), _params=SimpleNamespace(database="shop"))
    prepared: Any = SimpleNamespace(_connection=connection, get_query=lambda: "SELECT 1")
    return [
        seen(lambda: asyncio.run(asyncpg.Connection.fetch(connection, "SELECT 1"))),
        seen(lambda: asyncio.run(asyncpg.Connection.executemany(connection, "INSERT INTO t VALUES ($1)", MANY))),
        seen(lambda: asyncio.run(asyncpg.Connection.copy_records_to_table(connection, "t", records=MANY))),
        seen(lambda: asyncio.run(PreparedStatement.fetch(prepared))),
        seen(lambda: asyncio.run(PreparedStatement.executemany(prepared, MANY))),
    ]


def with_pymysql(_url: str) -> Any:
    """Statements of a cursor."""
    pymysql_integration.instrument()
    server = {"get_server_info": lambda: "11.4-MariaDB", "db": b"shop", "host": "db.test", "port": 3306}
    connection: Any = SimpleNamespace(unix_socket=None, open=True, server_status=1, **server)
    cursor: Any = SimpleNamespace(connection=connection)
    return [
        seen(lambda: pymysql.cursors.Cursor.execute(cursor, "SELECT 1")),
        seen(lambda: pymysql.cursors.Cursor.callproc(cursor, "restock")),
        seen(lambda: pymysql.connections.Connection.commit(connection)),
        seen(lambda: pymysql.cursors.Cursor.executemany(cursor, "INSERT INTO t VALUES (%s)", MANY)),
    ]
