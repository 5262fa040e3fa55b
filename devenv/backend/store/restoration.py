"""Adds again to the store what a journal has kept, with work for each trace instead of for each span."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from itertools import count, repeat
from mmap import mmap

from devenv.backend.store.additions import BatchAddition, Pieces
from devenv.backend.store.checkpoints import EndedSegment, SegmentAdditions
from devenv.backend.store.chunks import chunk_count, chunk_head
from devenv.backend.store.records import StoredService, StoredTrace, united
from devenv.backend.store.scopes import Scope
from devenv.backend.store.store import Store
from devenv.otlp.batches import Batch


class Restoration:
    """The additions of one segment, collected by :meth:`add` and stored together by :meth:`finish`.

    A part is what one addition has of one trace. All parts are in lists, one after another; ``_last`` has the last part
    of each trace and ``_before`` the one before each, or -1. So nothing loops over them while they are collected.
    """

    def __init__(self, store: Store, segment: int) -> None:
        self._store = store
        self._segment = segment
        self._last: dict[bytes, int] = {}
        self._before: list[int] = []
        self._heads: list[bytes] = []
        self._known: dict[int, _Heads] = {}
        self._content: bytes | mmap = b""
        self._begins: list[int] = []
        self._sizes = array("I")
        self._counts = array("I")
        self._services: list[tuple[StoredService, ...]] = []
        self._starts, self._ends, self._longest = array("Q"), array("Q"), array("Q")
        self._added: list[tuple[Scope, BatchAddition, Pieces]] = []
        self._truncated: list[bytes] = []
        store.segment = segment

    def add(self, batch: Batch, addition: BatchAddition, pieces: Pieces) -> None:
        """Collect one addition; ``batch`` has no spans, only their scope.

        The spans of a trace whose beginning is gone are left out: it would be shown as incomplete.

        Raises:
            Undecodable, TooLarge: If the scope is not valid; then nothing is collected.
        """
        store = self._store
        scope = store.known_scope(batch)
        if addition.continued:
            lost = {at for at in addition.continued if addition.ids[at] not in store.traces}
            stay = [at for at in range(len(addition.ids)) if at not in lost]
            addition, pieces = addition.only(stay), pieces.only(stay)
        ids = addition.ids
        sets = [tuple(map(store.known_service, names)) for names in addition.sets]
        self._before += map(self._last.get, ids, repeat(-1))
        self._last.update(zip(ids, count(len(self._begins))))
        self._heads += map(self._heads_of(scope), zip(addition.counts, pieces.sizes, strict=True))
        self._content = pieces.content
        self._begins += pieces.begins
        self._sizes.extend(pieces.sizes)
        self._counts.extend(addition.counts)
        self._services += map(sets.__getitem__, addition.services)
        self._starts.extend(addition.starts)
        self._ends.extend(addition.ends)
        self._longest.extend(addition.longest)
        scope.spans += sum(addition.counts)
        self._truncated += [ids[at] for at in addition.truncated]
        self._added.append((scope, addition, pieces))

    def _heads_of(self, scope: Scope) -> Callable[[tuple[int, int]], bytes]:
        known = self._known.get(scope.number)
        if known is None:
            known = self._known[scope.number] = _Heads(scope)
        return known.__getitem__

    def finish(self) -> int:
        """Store what was collected, evict what is above the limits, and return the number of spans."""
        store = self._store
        extended = self._extended()
        for scope, addition, _ in self._added:
            _refer(store, scope.service, addition)
        for trace_id in self._truncated:
            if trace_id in store.traces:
                store.traces[trace_id].truncated = True
        store.settle(extended)
        return sum(self._counts)

    def ended(self) -> EndedSegment:
        """Return what a checkpoint of the segment is made of; to be called after :meth:`finish`."""
        additions, traces = SegmentAdditions(self._segment), self._store.traces
        for scope, addition, pieces in self._added:
            additions.add_restored(scope, addition, list(map(traces.get, addition.ids)), pieces)
        return additions.end()

    def _extended(self) -> list[StoredTrace]:
        content, begins, sizes = self._content, self._begins, self._sizes
        before, heads, counts = self._before, self._heads, self._counts
        services, starts, ends, longest = self._services, self._starts, self._ends, self._longest
        extend = self._store.extend
        found = []
        for trace_id, last in self._last.items():
            spans = counts[last]
            begin = begins[last]
            chunks = [content[begin : begin + sizes[last]], heads[last]]
            start, end, long, those = starts[last], ends[last], longest[last], services[last]
            at = before[last]
            while at >= 0:
                spans += counts[at]
                begin = begins[at]
                chunks += (content[begin : begin + sizes[at]], heads[at])
                # Each part has the bounds so far; but an evicted trace may have been begun again, with new ones.
                if starts[at] < start:
                    start = starts[at]
                if ends[at] > end:
                    end = ends[at]
                if longest[at] > long:
                    long = longest[at]
                those = united(services[at], those)
                at = before[at]
            if spans:
                chunks.reverse()
                found.append(extend(trace_id, chunks, spans, those, (start, end, long)))
        return found


class _Heads(dict[tuple[int, int], bytes]):
    """The head of a chunk of a scope, by the number and the length of its spans."""

    def __init__(self, scope: Scope) -> None:
        self._prefix = scope.prefix

    def __missing__(self, shape: tuple[int, int]) -> bytes:
        count, size = shape
        numbers = self._prefix + chunk_count(count)
        # Without spans, as they were rejected, there is no chunk.
        head = self[shape] = chunk_head(len(numbers) + size) + numbers if count else b""
        return head


def _refer(store: Store, service: StoredService, addition: BatchAddition) -> None:
    members = list(map(store.traces.get, addition.ids))
    service.recent += _present(members, addition.joined)
    for each in addition.operations:
        store.refer(service, each.name, each.kinds, _present(members, each.members))


def _present(members: Sequence[StoredTrace | None], positions: Sequence[int]) -> list[StoredTrace]:
    return [trace for at in positions if (trace := members[at]) is not None]
