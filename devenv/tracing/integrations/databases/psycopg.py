"""psycopg 3: a client span for each statement, copy, commit and rollback, synchronous and asynchronous."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from opentelemetry.trace import INVALID_SPAN, Span
from psycopg import AsyncConnection, AsyncCursor, AsyncServerCursor, Connection, Cursor, ServerCursor
from psycopg.transaction import AsyncTransaction, Transaction

from devenv.tracing.databases.target import Database
from devenv.tracing.integrations.databases.driver import (
    async_executing,
    async_executing_many,
    executing,
    executing_many,
    kept,
)
from devenv.tracing.integrations.databases.psycopg_streams import async_streaming, copying, streaming
from devenv.tracing.integrations.databases.transactions import (
    COMMIT,
    ROLLBACK,
    async_ending,
    block_of_end,
    ending,
)
from devenv.tracing.process.faults import fault
from devenv.tracing.process.patching import replace
from devenv.tracing.process.stock import taken
from devenv.tracing.spans import SpanScope

_OPEN = frozenset({1, 2, 3})
"""The states of a connection with an open transaction: ACTIVE, INTRANS, INERROR."""


def instrument() -> None:
    """Trace every connection. The end of a block within another `transaction()` block has no span."""
    if taken("psycopg"):
        return
    for cursor in (Cursor, ServerCursor):
        replace(cursor, "execute", executing(_database))
    replace(Cursor, "executemany", executing_many(_database))
    for asynchronous in (AsyncCursor, AsyncServerCursor):
        replace(asynchronous, "execute", async_executing(_database))
    replace(AsyncCursor, "executemany", async_executing_many(_database))
    for owner in (Cursor, AsyncCursor):
        replace(owner, "copy", copying(_database))
    replace(Cursor, "stream", streaming(_database))
    replace(AsyncCursor, "stream", async_streaming(_database))
    for name, statement in (("commit", COMMIT), ("rollback", ROLLBACK)):
        replace(Connection, name, ending(statement, _of_connection, _is_open))
        replace(AsyncConnection, name, async_ending(statement, _of_connection, _is_open))
    replace(Transaction, "__exit__", _leaving)
    replace(AsyncTransaction, "__aexit__", _leaving_async)


def _leaving(original: Callable[..., Any]) -> Callable[..., Any]:
    def leave(self: Any, exc_type: Any, exc: Any, traceback: Any) -> Any:
        with _end_of_block(self, exc_type):
            return original(self, exc_type, exc, traceback)

    return leave


def _leaving_async(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def leave(self: Any, exc_type: Any, exc: Any, traceback: Any) -> Any:
        with _end_of_block(self, exc_type):
            return await original(self, exc_type, exc, traceback)

    return leave


def _end_of_block(transaction: Any, exc_type: Any) -> SpanScope | Span:
    """Return the block of the end of a `transaction()` block, which commits by another way."""
    try:
        if not getattr(transaction, "_outer_transaction", False):  # a savepoint
            return INVALID_SPAN
        statement = ROLLBACK if exc_type is not None or transaction.force_rollback else COMMIT
        return block_of_end(statement, _of_connection, _is_open, transaction.connection)
    except Exception as error:  # noqa: BLE001 - logged
        fault("a database driver", error)
        return INVALID_SPAN


def _is_open(connection: Any) -> bool:
    return connection.pgconn.transaction_status in _OPEN


def _of_connection(connection: Any) -> Database:
    return kept(connection, _read)


def _database(cursor: Any) -> Database:
    return kept(cursor.connection, _read)


def _read(connection: Any) -> Database:
    info = connection.info
    return Database("postgresql", info.dbname, info.host, info.port)
