"""pymongo: a client span for each command, of synchronous and asynchronous clients.

Attributes follow the semantic conventions for MongoDB, which are in development
(https://opentelemetry.io/docs/specs/semconv/db/mongodb/, schema 1.44.0). Neither filters nor documents are recorded. A
cursor has one span, that of its first command: its other rows are fetched while the program reads them.
`db.response.status_code` is the server's error code; `error.type` is the exception's class, or the code if a reply
lists what could not be written.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

from opentelemetry.trace import Span, SpanKind, StatusCode
from pymongo import monitoring

from devenv.tracing.active import state
from devenv.tracing.context.ambient import SPAN_KEY, current
from devenv.tracing.context.suppression import is_suppressed
from devenv.tracing.databases.target import DEFAULT_PORTS
from devenv.tracing.light.shared import Shared
from devenv.tracing.process.faults import fault
from devenv.tracing.process.stock import taken
from devenv.tracing.spans import fail, interrupted
from devenv.tracing.sql import is_statement

_SYSTEM = "mongodb"
# What a client does for itself: it authenticates, looks after its servers, and continues or ends its cursors.
_SILENT = frozenset(
    "getmore killcursors endsessions hello ismaster saslstart saslcontinue getnonce authenticate".split()  # noqa: SIM905 - read as a text
)
# Commands whose first value is the name of a collection.
_COLLECTIONS = frozenset({
    "aggregate", "collmod", "collstats", "compact", "converttocapped", "count", "create", "createindexes",
    "createsearchindexes", "delete", "distinct", "drop", "dropindexes", "dropsearchindex", "find",
    "findandmodify", "insert", "listindexes", "mapreduce", "update", "updatesearchindex", "validate",
})  # fmt: skip
# Writing commands, and their fields of what is written: one document makes no batch.
_BATCHES: Mapping[str, str] = {"insert": "documents", "update": "updates", "delete": "deletes", "bulkWrite": "ops"}
_MOST = 10_000
"""Open spans that are kept, whatever pymongo does not tell the end of."""


def instrument() -> None:
    """Trace every client that is created from now on."""
    if not taken("pymongo"):
        _register()


@lru_cache(maxsize=1)
def _register() -> None:
    monitoring.register(Commands())


class Commands(monitoring.CommandListener):
    """A listener that pymongo calls around each command; its methods do not raise."""

    def __init__(self) -> None:
        self._open: dict[tuple[int, Any], Span] = {}
        self._of_tasks: WeakKeyDictionary[asyncio.Task[Any], tuple[int, Any]] = WeakKeyDictionary()

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Start a span."""
        try:
            if is_silent(event):
                return
            span = _begin(event)
            if span is not None and span.is_recording():
                if len(self._open) >= _MOST:
                    self._open.pop(next(iter(tuple(self._open)))).end()
                key = event.request_id, event.connection_id
                self._open[key] = span
                self._watch(key)
        except Exception as error:  # noqa: BLE001 - logged
            fault(_SYSTEM, error)

    def _watch(self, key: tuple[int, Any]) -> None:
        """End the span of a command whose task was cancelled: pymongo tells of it since 4.20.1 only.

        A task waits for one command at a time, so the end is known by the next one, or by the end of the task.
        """
        try:
            task = asyncio.current_task()
        except RuntimeError:  # no loop is running
            return
        if task is None:
            return
        before = self._of_tasks.get(task)
        if before is None:
            task.add_done_callback(self._left)
        else:
            self._cancelled(before)
        self._of_tasks[task] = key

    def _left(self, task: asyncio.Task[Any]) -> None:
        try:
            key = self._of_tasks.pop(task, None)
            if key is not None:
                self._cancelled(key)
        except Exception as error:  # noqa: BLE001 - logged
            fault(_SYSTEM, error)

    def _cancelled(self, key: tuple[int, Any]) -> None:
        span = self._open.pop(key, None)
        if span is not None:
            interrupted(span, asyncio.CancelledError())
            span.end()

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """End the span; a reply can list what could not be written."""
        try:
            span = self._open.pop((event.request_id, event.connection_id), None)
            if span is not None:
                _answered(span, event)
                span.end()
        except Exception as error:  # noqa: BLE001 - logged
            fault(_SYSTEM, error)

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """End the span with the failure."""
        try:
            span = self._open.pop((event.request_id, event.connection_id), None)
            if span is not None:
                _failed(span, event.failure)
                span.end()
        except Exception as error:  # noqa: BLE001 - logged
            fault(_SYSTEM, error)


def is_silent(event: monitoring.CommandStartedEvent) -> bool:
    """Return whether a command concerns the client alone, or is suppressed, or is a part of another statement."""
    if event.command_name.lower() in _SILENT:
        return True
    context = current()
    above: Any = context.get(SPAN_KEY)
    return is_suppressed(context) or (above is not None and is_statement(above))


def described(event: monitoring.CommandStartedEvent) -> tuple[str, Shared]:
    """Return the name of the span of a command, and its common attributes."""
    command, name = event.command, event.command_name
    collection = command.get(name) if name.lower() in _COLLECTIONS else None
    host, port = event.connection_id
    return _shared(name, event.database_name, collection if isinstance(collection, str) else "", host, port)


def _begin(event: monitoring.CommandStartedEvent) -> Span | None:
    if state.passive() is not None:
        return None
    context = current()
    title, shared = described(event)
    size = _batch_size(event.command.get(_BATCHES.get(event.command_name, "")))
    return state.open(
        title, context, SpanKind.CLIENT, {"db.operation.batch.size": size} if size > 1 else {}, None, shared
    )


def _batch_size(written: Any) -> int:
    return len(written) if isinstance(written, (list, tuple)) else 0


def _answered(span: Span, event: monitoring.CommandSucceededEvent) -> None:
    code = not_written(event)
    if code is not None:
        span.set_attribute("db.response.status_code", str(code))
        span.set_attribute("error.type", str(code))
        span.set_status(StatusCode.ERROR)


def not_written(event: monitoring.CommandSucceededEvent) -> Any:
    """Return the code of the first error of a reply that lists what could not be written, None without one."""
    if event.command_name not in _BATCHES and event.command_name != "findAndModify":
        return None
    reply = event.reply
    listed = [*(reply.get("writeErrors") or ()), reply.get("writeConcernError")]
    if reply.get("nErrors"):  # bulkWrite
        listed += [result for result in reply["cursor"]["firstBatch"] if not result.get("ok")]
    return next((found.get("code", "_OTHER") for found in listed if found), None)


def _failed(span: Span, failure: Mapping[str, Any]) -> None:
    code = failure.get("code")
    if code is not None:
        span.set_attribute("db.response.status_code", str(code))
    exception = sys.exc_info()[1]  # pymongo calls its listeners while it handles the exception
    if isinstance(exception, Exception):
        fail(span, exception)
    elif exception is not None:
        interrupted(span, exception)
    else:
        span.set_attribute("error.type", str(failure.get("errtype") or code or "_OTHER"))
        span.set_status(StatusCode.ERROR)


@lru_cache(maxsize=512)
def _shared(command: str, database: str, collection: str, host: str, port: int | None) -> tuple[str, Shared]:
    values: dict[str, Any] = {
        "db.system.name": _SYSTEM,
        "db.namespace": database,
        "db.operation.name": command,
        "server.address": host,
    }
    if collection:
        values["db.collection.name"] = collection
    if port and port != DEFAULT_PORTS[_SYSTEM]:
        values["server.port"] = port
    return f"{command} {collection or database}", Shared(values)
