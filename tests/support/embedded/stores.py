"""A store with a storage, and what of a store has to be equal after it was opened again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import time
from typing import Any

from embedded.stored_spans import decode_trace

from devenv.backend.logs.checked_records import check
from devenv.backend.logs.records import LogAddition
from devenv.backend.logs.search import position
from devenv.backend.logs.store import LogStore
from devenv.backend.settings import StorageSettings
from devenv.backend.storage.opening import Storage
from devenv.backend.store.scopes import Key
from devenv.backend.store.store import Store
from devenv.otlp import columns
from devenv.otlp.batches import Batch, batches

MIB = 1024 * 1024


def put(store: Store, body: bytes) -> int:
    """Store a request; return the number of rejected spans."""
    return sum(store.add(batch, columns.decode(batch.spans)) for batch in batches(body))


def put_logs(store: LogStore, body: bytes) -> int:
    """Store a request; return the number of rejected log records."""
    return sum(store.add(batch, check(batch.spans)) for batch in batches(body))


def opened(
    folder: Path,
    *,
    memory: int = 64 * MIB,
    max_bytes: int = 64 * MIB,
    max_age: float = 3600,
    now: float | Callable[[], float] | None = None,
    logs: LogStore | None = None,
) -> tuple[Store, Storage]:
    """Return a store with what ``folder`` has; ``logs`` gets its log records, ``now`` is the time since 1970."""
    store = Store(memory)
    settings = StorageSettings(folder, max_bytes, max_age)
    clock = now if callable(now) else time if now is None else lambda: now
    storage = Storage(settings, store, logs or LogStore(MIB), clock)
    try:
        for _ in storage.steps():
            pass
    except BaseException:
        storage.close()
        raise
    return store, storage


def content(store: Store) -> dict[str, Any]:
    """Return what a reader of the store can see; in order of arrival where the store has one."""
    return {
        "traces": {
            trace.id: (
                [(scope.key, span) for scope, span in decode_trace(trace, store.scopes).spans],
                trace.start,
                trace.end,
                trace.longest,
                trace.spans,
                trace.truncated,
                [service.name for service in trace.services],
                trace.owner and trace.owner.name,
            )
            for trace in store.traces.values()
        },
        "order": list(store.traces),
        "services": {
            name: (
                [trace.id for trace in service.recent if trace.alive],
                service.bytes,
                {
                    operation: (found.kinds, [trace.id for trace in found.recent if trace.alive])
                    for operation, found in service.operations.items()
                },
            )
            for name, service in store.services.items()
        },
        "spans": store.spans,
        "bytes": store.bytes,
        "scopes": {scope.key: scope.spans for scope in store.scopes},
    }


class LogRecorder:
    """A journal of log records in memory."""

    def __init__(self) -> None:
        self.added: list[tuple[Key, LogAddition]] = []

    def add_logs(self, key: Key, addition: LogAddition) -> None:
        self.added.append((key, addition))

    def restore(self, store: LogStore) -> None:
        """Add everything to ``store``."""
        for key, addition in self.added:
            store.restore(Batch(*key, []), addition)


def log_content(logs: LogStore) -> dict[str, Any]:
    """Return what a reader of the log records can see, by service in order of arrival."""
    return {
        "services": {
            name: (
                service.bytes,
                service.scopes,
                [
                    (position(record), record.scope.key, record.payload, record.severity, record.trace_id)
                    for record in service.owned
                ],
            )
            for name, service in logs.services.items()
        },
        "traces": {trace_id: [position(record) for record in records] for trace_id, records in logs._of_trace.items()},
        "records": logs.records,
        "bytes": logs.bytes,
        "scopes": {key: scope.records for key, scope in logs._scopes.items()},
    }
