"""Adds the traces of a checkpoint to the store again, with work once per trace."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

from devenv.backend.store.additions import OperationMembers
from devenv.backend.store.checkpoints import Checkpoint
from devenv.backend.store.chunks import chunk_count, chunk_head
from devenv.backend.store.packs import Pack
from devenv.backend.store.records import APART, SPAN_BYTES, TRACE_BYTES, StoredService, StoredTrace
from devenv.backend.store.scopes import Scope, parse, service_name
from devenv.backend.store.store import Store
from devenv.otlp.batches import Batch
from devenv.otlp.wire import Undecodable


def restore(store: Store, segment: int, found: Checkpoint) -> int:
    """Store the traces of a checkpoint, evict what is above the limits, and return the number of spans.

    Earlier traces are extended if the store has them: without its beginning, a trace would be shown as incomplete.

    Args:
        store: where the traces of the segments before are.
        segment: the number of the segment.
        found: with valid positions.

    Raises:
        Undecodable, TooLarge: If a scope is not valid, or the store has another one of its number; then nothing is
            stored.
    """
    scopes = _scopes(store, found)
    store.segment = segment
    restoration = _Restoration(store, segment, found, scopes)
    members = [*restoration.began(), *restoration.continued()]
    for entries in found.entries:
        service = store.known_service(entries.name)
        service.recent += _present(members, entries.joined)
        for each in entries.operations:
            _refer(store, service, each, members)
    for at in found.truncated:
        if (trace := members[at]) is not None:
            trace.truncated = True
    store.settle(restoration.settled)
    return restoration.spans


def _scopes(store: Store, found: Checkpoint) -> list[Scope]:
    # First whether all of them are valid.
    new = []
    for number, key, _ in found.scopes:
        known = store.scopes.get(number)
        if known is None:
            batch = Batch(*key, [])
            new.append((batch, parse(batch), number))
        elif known.key != key:
            raise Undecodable(f"scope {number} is another one")
    for batch, parsed, number in new:
        store.scopes.add(batch, store.known_service(service_name(parsed[0])), parsed, number)
    return [store.scopes[number] for number, _, _ in found.scopes]


class _Restoration:
    def __init__(self, store: Store, segment: int, found: Checkpoint, scopes: list[Scope]) -> None:
        self._store = store
        self._segment = segment
        self._found = found
        self._scopes = scopes
        sets = [tuple(map(store.known_service, names)) for names in found.sets]
        self._services = list(map(sets.__getitem__, found.services))
        self.settled: list[StoredTrace] = []
        """Traces that may be above a limit."""
        self.spans = sum(found.spans[: found.own])

    def began(self) -> list[StoredTrace]:
        """Store the traces that began in the segment."""
        store, segment, found = self._store, self._segment, self._found
        stored, places = self._stored()
        known = store.traces.keys() & set(found.ids[: found.own])
        traces: list[StoredTrace] = []
        total = count = 0
        for trace_id, start, end, longest, spans, services, kept, place in zip(
            found.ids,
            found.starts,
            found.ends,
            found.longest,
            found.spans,
            self._services,
            stored,
            places,
            strict=False,
        ):
            if known and trace_id in known:  # evicted, begun again, and again here with what was evicted
                traces.append(self._joined(len(traces), kept if isinstance(kept, bytes) else kept.leave(place)))
                continue
            owner = services[0]
            trace = StoredTrace(trace_id, owner, start, end, segment)
            trace.stored = kept
            trace.place = place
            trace.longest = longest
            trace.spans = spans
            trace.services = services
            traces.append(trace)
            owner.owned.append(trace)
            size = TRACE_BYTES + SPAN_BYTES * spans
            if place == APART:
                size += len(kept)
                self.settled.append(trace)
            owner.bytes += size
            total += size
            count += spans
        fresh = [trace for trace in traces if trace.id not in known] if known else traces
        store.traces.update(zip([trace.id for trace in fresh], fresh, strict=True))
        store.begun[segment] += len(fresh)
        store.bytes += total
        store.spans += count
        for scope, (_, _, spans) in zip(self._scopes, found.scopes, strict=True):
            scope.spans += spans
        self._charge(stored)
        return traces

    def _stored(self) -> tuple[list[bytes | Pack], list[int]]:
        stored: list[bytes | Pack] = [b""] * self._found.own
        places = [APART] * self._found.own
        for block in self._found.blocks:
            if block.compressed:
                pack = Pack(block.content, block.sizes)
                for place, at in enumerate(block.members):
                    stored[at] = pack
                    places[at] = place
            else:
                for at, (begin, end) in zip(block.members, pairwise(accumulate(block.sizes, initial=0)), strict=True):
                    stored[at] = block.content[begin:end]
        return stored, places

    def _charge(self, stored: Sequence[bytes | Pack]) -> None:
        for block in self._found.blocks:
            pack = stored[block.members[0]] if block.compressed else b""
            if isinstance(pack, Pack) and pack.members:
                self._services[block.members[0]][0].bytes += pack.cost
                self._store.bytes += pack.cost

    def _joined(self, at: int, *chunks: bytes, spans: int | None = None) -> StoredTrace:
        found = self._found
        bounds = found.starts[at], found.ends[at], found.longest[at]
        count = found.spans[at] if spans is None else spans
        trace = self._store.extend(found.ids[at], list(chunks), count, self._services[at], bounds)
        self.settled.append(trace)
        return trace

    def continued(self) -> list[StoredTrace | None]:
        """Extend the traces that began before the segment; return those that the store does not have as None."""
        found, store = self._found, self._store
        chunks: dict[int, list[bytes]] = {}
        counts: dict[int, int] = {}
        for part in found.late:
            if found.ids[part.trace] not in store.traces:
                continue
            scope = self._scopes[part.scope]
            numbers = scope.prefix + chunk_count(part.count)
            chunks.setdefault(part.trace, []).extend(
                (chunk_head(len(numbers) + len(part.payload)), numbers, part.payload)
            )
            counts[part.trace] = counts.get(part.trace, 0) + part.count
            scope.spans += part.count
            self.spans += part.count
        for at, each in chunks.items():
            self._joined(at, *each, spans=counts[at])
        return [store.traces.get(trace_id) for trace_id in found.ids[found.own :]]


def _refer(
    store: Store, service: StoredService, found: OperationMembers, members: Sequence[StoredTrace | None]
) -> None:
    store.refer(service, found.name, found.kinds, _present(members, found.members))


def _present(members: Sequence[StoredTrace | None], positions: Sequence[int]) -> list[StoredTrace]:
    return [trace for at in positions if (trace := members[at]) is not None]
