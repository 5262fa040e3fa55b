"""psycopg2: connections whose cursors create a client span for each statement, procedure and copy.

Its classes are compiled and cannot be changed, so `psycopg2.connect` makes a connection of a derived class, and this
makes cursors of derived classes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import psycopg2  # type: ignore[import-untyped] # it has no types
from psycopg2 import extensions

from devenv.tracing.databases.target import Database
from devenv.tracing.integrations.databases.driver import KEPT, block, calling, executing, executing_many, kept
from devenv.tracing.integrations.databases.transactions import COMMIT, ROLLBACK, ending
from devenv.tracing.process.faults import fault
from devenv.tracing.process.patching import replace
from devenv.tracing.process.stock import taken


def instrument() -> None:
    """Trace every connection that `psycopg2.connect` opens."""
    if taken("psycopg2"):
        return
    replace(psycopg2, "connect", _connecting)


def _connecting(original: Callable[..., Any]) -> Callable[..., Any]:
    def connect(dsn: Any = None, connection_factory: Any = None, *args: Any, **options: Any) -> Any:
        return original(dsn, _traced_connection(connection_factory), *args, **options)

    return connect


def _traced_connection(factory: Any) -> Any:
    """Return the traced kind of a class of connections; a function stays as it is."""
    try:
        return _connection_class(factory or extensions.connection)
    except Exception as error:  # noqa: BLE001 - logged
        fault("psycopg2", error)
        return factory


@lru_cache(maxsize=64)
def _connection_class(base: Any) -> Any:
    def cursor(self: Any, *args: Any, **options: Any) -> Any:
        made = base.cursor(self, *args, **options)
        traced = _traced_cursor(type(made))
        if traced is None:
            return made
        return base.cursor(self, *args[:1], **{**_rest(args), **options, "cursor_factory": traced})

    methods = {
        "cursor": cursor,
        "commit": ending(COMMIT, _of_connection, _is_open)(base.commit),
        "rollback": ending(ROLLBACK, _of_connection, _is_open)(base.rollback),
        "__module__": base.__module__,
        KEPT: None,
    }
    return type(base.__name__, (base,), methods)


def _rest(args: tuple[Any, ...]) -> dict[str, Any]:
    """Name the positional arguments of `cursor` behind the first two."""
    return dict(zip(("scrollable", "withhold"), args[2:]))


def _traced_cursor(base: Any) -> Any:
    """Return the traced kind of a class of cursors, None if it is one."""
    try:
        return None if hasattr(base, KEPT) else _cursor_class(base)
    except Exception as error:  # noqa: BLE001 - logged
        fault("psycopg2", error)
        return None


@lru_cache(maxsize=64)
def _cursor_class(base: Any) -> Any:
    methods = {
        "execute": executing(_database)(base.execute),
        "executemany": executing_many(_database)(base.executemany),
        "callproc": calling(_database)(base.callproc),
        "copy_expert": executing(_database)(base.copy_expert),
        "copy_from": _copying("FROM STDIN")(base.copy_from),
        "copy_to": _copying("TO STDOUT")(base.copy_to),
        "__module__": base.__module__,
        KEPT: True,
    }
    return type(base.__name__, (base,), methods)


def _copying(direction: str) -> Callable[[Any], Any]:
    """Return the maker of a traced `copy_from(file, table, …)` or `copy_to`."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def copy(self: Any, file: Any, table: Any, *args: Any, **options: Any) -> Any:
            with block(_database, self, f'COPY "{table}" {direction}' if isinstance(table, str) else ""):
                return original(self, file, table, *args, **options)

        return copy

    return make


def _is_open(connection: Any) -> bool:
    idle = extensions.TRANSACTION_STATUS_IDLE
    return not connection.closed and connection.get_transaction_status() != idle


def _of_connection(connection: Any) -> Database:
    return kept(connection, _read)


def _database(cursor: Any) -> Database:
    return kept(cursor.connection, _read)


def _read(connection: Any) -> Database:
    info = connection.info
    return Database("postgresql", info.dbname, info.host or "", info.port)
