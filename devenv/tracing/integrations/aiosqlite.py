"""aiosqlite: its thread runs each call in the context of the caller, so that the spans of sqlite3 have their parent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiosqlite.core import Connection

from devenv.tracing.process.faults import fault
from devenv.tracing.process.patching import replace
from devenv.tracing.tasks import wrap


def instrument() -> None:
    """Propagate the context to the thread of every connection; sqlite3's integration creates the spans."""
    replace(Connection, "_execute", _executing)


def _executing(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def execute(self: Connection, fn: Callable[..., Any], *args: Any, **options: Any) -> Any:
        return await original(self, _carried(fn), *args, **options)

    return execute


def _carried(function: Callable[..., Any]) -> Callable[..., Any]:
    try:
        return wrap(function)
    except Exception as error:  # noqa: BLE001 - logged
        fault("aiosqlite", error)
        return function
