"""Adds again to the store what a journal has kept, with work for each trace instead of for each span."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from devenv.backend.store.additions import BatchAddition
from devenv.backend.store.chunks import chunk_count, chunk_head
from devenv.backend.store.records import StoredService, StoredTrace
from devenv.backend.store.scopes import Scope
from devenv.backend.store.store import Store
from devenv.otlp.batches import Batch

_State = tuple[tuple[StoredService, ...], tuple[int, int, int]]


class Restoration:
    """The additions of one segment, collected by :meth:`add` and stored together by :meth:`finish`."""

    def __init__(self, store: Store, segment: int) -> None:
        self._store = store
        self._chunks: dict[bytes, list[bytes]] = {}
        self._counts: dict[bytes, int] = {}
        self._states: dict[bytes, _State] = {}
        self._references: list[Callable[[dict[bytes, StoredTrace]], None]] = []
        self._truncated: list[bytes] = []
        store.segment = segment

    def add(self, batch: Batch, addition: BatchAddition) -> None:
        """Collect one addition; ``batch`` has no spans, only their scope.

        The spans of a trace whose beginning is gone are left out: it would be shown as incomplete.

        Raises:
            Undecodable, TooLarge: If the scope is not valid; then nothing is collected.
        """
        store = self._store
        scope = store.known_scope(batch)
        if addition.continued:
            addition = addition.without({at for at in addition.continued if addition.ids[at] not in store.traces})
        ids = addition.ids
        sets = [tuple(map(store.known_service, names)) for names in addition.sets]
        states = zip(addition.starts, addition.ends, addition.longest, strict=True)
        self._states.update(zip(ids, zip(map(sets.__getitem__, addition.services), states, strict=True), strict=True))
        self._collect(scope, addition)
        scope.spans += sum(addition.counts)
        self._truncated += [ids[at] for at in addition.truncated]
        self._references.append(lambda traces: self._refer(scope.service, addition, traces))

    def _collect(self, scope: Scope, addition: BatchAddition) -> None:
        chunks, counts = self._chunks, self._counts
        heads: dict[tuple[int, int], bytes] = {}
        for trace_id, payload, count in zip(addition.ids, addition.payloads, addition.counts, strict=True):
            if not count:
                continue
            if trace_id in chunks:
                found = chunks[trace_id]
                counts[trace_id] += count
            else:
                found = chunks[trace_id] = []
                counts[trace_id] = count
            shape = (count, len(payload))
            head = heads.get(shape)
            if head is None:
                numbers = scope.prefix + chunk_count(count)
                head = heads[shape] = chunk_head(len(numbers) + len(payload)) + numbers
            found += (head, payload)

    def _refer(self, service: StoredService, addition: BatchAddition, traces: dict[bytes, StoredTrace]) -> None:
        members = list(map(traces.get, addition.ids))
        service.recent += _present(members, addition.joined)
        for each in addition.operations:
            self._store.refer(service, each.name, each.kinds, _present(members, each.members))

    def finish(self) -> int:
        """Store what was collected, evict what is above the limits, and return the number of spans."""
        store, counts, states = self._store, self._counts, self._states
        for trace_id, chunks in self._chunks.items():
            store.extend(trace_id, chunks, counts[trace_id], *states[trace_id])
        for refer in self._references:
            refer(store.traces)
        for trace_id in self._truncated:
            if trace_id in store.traces:
                store.traces[trace_id].truncated = True
        store.settle(self._chunks)
        return sum(counts.values())


def _present(members: list[StoredTrace | None], positions: Iterable[int]) -> list[StoredTrace]:
    return [trace for at in positions if (trace := members[at]) is not None]
