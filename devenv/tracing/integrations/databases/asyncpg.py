"""asyncpg: a client span for each statement and copy, of connections and of prepared statements."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from asyncpg.connection import Connection  # type: ignore[import-untyped] # it has no types
from asyncpg.pool import PoolConnectionProxy  # type: ignore[import-untyped] # it has no types
from asyncpg.prepared_stmt import PreparedStatement  # type: ignore[import-untyped] # it has no types

from devenv.tracing.databases.target import Database
from devenv.tracing.integrations.databases.driver import (
    async_executing,
    async_executing_many,
    block,
    block_of_many,
)
from devenv.tracing.process.faults import fault
from devenv.tracing.process.patching import replace
from devenv.tracing.process.stock import taken


def instrument() -> None:
    """Trace every connection. A cursor has no span: its rows are fetched while the program reads them."""
    if taken("asyncpg"):
        return
    for owner in (Connection, PoolConnectionProxy):  # a pool's connection has copies of the methods
        for name in ("execute", "fetch", "fetchval", "fetchrow"):
            replace(owner, name, async_executing(_database))
        for name in ("executemany", "fetchmany"):
            if hasattr(owner, name):  # fetchmany: since asyncpg 0.30
                replace(owner, name, async_executing_many(_database))
        replace(owner, "copy_records_to_table", _copying)
    for name in ("_copy_in", "_copy_out"):  # the end of the public methods of other copies
        if hasattr(Connection, name):
            replace(Connection, name, async_executing(_database))
    for name in ("fetch", "fetchval", "fetchrow"):
        replace(PreparedStatement, name, _fetching)
    for name in ("executemany", "fetchmany"):
        if hasattr(PreparedStatement, name):
            replace(PreparedStatement, name, _fetching_many)


def _copying(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def copy_records_to_table(self: Any, table_name: Any, *args: Any, **options: Any) -> Any:
        with block(_database, self, _copy_of(table_name, options.get("schema_name"))):
            return await original(self, table_name, *args, **options)

    return copy_records_to_table


def _copy_of(table: Any, schema: Any) -> str:
    try:
        return f'COPY "{schema}"."{table}" FROM STDIN' if schema else f'COPY "{table}" FROM STDIN'
    except Exception as error:  # noqa: BLE001 - logged; the name's own code failed
        fault("asyncpg", error)
        return ""


def _fetching(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def fetch(self: Any, *args: Any, **options: Any) -> Any:
        with block(_prepared, self, self.get_query()):
            return await original(self, *args, **options)

    return fetch


def _fetching_many(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def fetchmany(self: Any, args: Any, **options: Any) -> Any:
        with block_of_many(_prepared, self, self.get_query(), args):
            return await original(self, args, **options)

    return fetchmany


def _prepared(statement: Any) -> Database:
    return _database(statement._connection)  # noqa: SLF001 - asyncpg has no public way


def _database(connection: Any) -> Database:
    connection = getattr(connection, "_con", connection)
    address = connection._addr  # noqa: SLF001 - asyncpg has no public way to either
    name = connection._params.database or ""  # noqa: SLF001 - as above
    if isinstance(address, str):
        return Database("postgresql", name, address)
    return Database("postgresql", name, address[0], address[1])
