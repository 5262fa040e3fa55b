"""A store with a storage, and what of a store has to be equal after it was opened again."""

from __future__ import annotations

from collections import Counter
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
from devenv.backend.store.packs import Pack
from devenv.backend.store.records import OPERATION_BYTES, RECENT, SERVICE_BYTES
from devenv.backend.store.scopes import Key
from devenv.backend.store.store import Store
from devenv.otlp import columns
from devenv.otlp.batches import Batch, batches

MIB = 1024 * 1024


class SmallSegments(StorageSettings):
    """Segments of at most 8 KiB, so that a test has many of them."""

    @property
    def segment_bytes(self) -> int:
        return 8 * 1024


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
    small_segments: bool = False,
) -> tuple[Store, Storage]:
    """Return a store with what ``folder`` has; ``logs`` gets its log records, ``now`` is the time since 1970."""
    store = Store(memory)
    settings = (SmallSegments if small_segments else StorageSettings)(folder, max_bytes, max_age)
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
    """Return what a reader of the store can see; in order of arrival where the store has one.

    The bytes are not among it: a trace that comes from the disk may be packed earlier. They are checked.
    """
    check_books(store)
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
                {
                    operation: (found.kinds, [trace.id for trace in found.recent if trace.alive])
                    for operation, found in service.operations.items()
                },
            )
            for name, service in store.services.items()
        },
        "spans": store.spans,
        "scopes": _spans_of_scopes(store),
    }


def _spans_of_scopes(store: Store) -> Counter[Key]:
    # By content: two numbers may have equal scopes if they come from the disk.
    found = Counter[Key]()
    for scope in store.scopes:
        found[scope.key] += scope.spans
    return found


def packs(store: Store) -> set[Pack]:
    """Return the packs that the store's traces are in."""
    return {trace.stored for trace in store.traces.values() if isinstance(trace.stored, Pack)}


def check_books(store: Store) -> None:
    """Check that the store counts the bytes, spans and members that it holds."""
    found = packs(store)
    held = sum(trace.cost for trace in store.traces.values()) + sum(pack.cost for pack in found)
    names = [name for service in store.services.values() for name in service.operations]
    assert sum(service.bytes for service in store.services.values()) == held
    assert store.bytes == held + SERVICE_BYTES * len(store.services) + sum(OPERATION_BYTES + len(n) for n in names)
    members = Counter(trace.stored for trace in store.traces.values() if isinstance(trace.stored, Pack))
    assert {pack: pack.members for pack in found} == members
    recent = [trace for trace in store.traces.values() if trace.place == RECENT]
    assert store._packing.bytes == sum(len(trace.raw) for trace in recent)
    assert sum(scope.spans for scope in store.scopes) == store.spans == sum(t.spans for t in store.traces.values())
    assert store.scopes.bytes == sum(scope.cost for scope in store.scopes)
    assert +store.begun == Counter(trace.segment for trace in store.traces.values())


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
