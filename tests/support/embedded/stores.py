"""A store with a storage, and what of a store has to be equal after it was opened again."""

from __future__ import annotations

from pathlib import Path
from time import time
from typing import Any

from embedded.stored_spans import decode_trace

from devenv.backend.settings import StorageSettings
from devenv.backend.storage.opening import Storage
from devenv.backend.store.store import Store
from devenv.otlp import columns
from devenv.otlp.batches import batches

MIB = 1024 * 1024


def put(store: Store, body: bytes) -> int:
    """Store a request; return the number of rejected spans."""
    return sum(store.add(batch, columns.decode(batch.spans)) for batch in batches(body))


def opened(
    folder: Path, *, memory: int = 64 * MIB, max_bytes: int = 64 * MIB, max_age: float = 3600, now: float | None = None
) -> tuple[Store, Storage]:
    """Return a store with what ``folder`` has; ``now`` is the time since 1970."""
    store = Store(memory)
    storage = Storage(StorageSettings(folder, max_bytes, max_age), store, time if now is None else lambda: now)
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
