"""Traces in memory: stored in batches, found by ID and by index, evicted at the memory limit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from operator import call
from time import monotonic

from devenv.backend.store.additions import Journal, Kept, Marks
from devenv.backend.store.chunks import CHUNK_HEADS, READY, chunk_count, chunk_head, counts, span_heads
from devenv.backend.store.evicted_ids import EvictedIds
from devenv.backend.store.packing import Packing
from devenv.backend.store.rate import Rate
from devenv.backend.store.records import (
    OPERATION_BYTES,
    RECENT,
    SERVICE_BYTES,
    SPAN_BYTES,
    TRACE_BYTES,
    StoredOperation,
    StoredService,
    StoredTrace,
    remember,
    united,
)
from devenv.backend.store.scopes import Scope, Scopes, parse, service_name
from devenv.backend.store.shares import shares
from devenv.otlp.batches import Batch
from devenv.otlp.columns import Columns

# One trace may use this part of the memory; a runaway trace must not evict all others.
_TRACE_SHARE = 8
# The newest traces, in this part of the memory, are not packed.
_RECENT_SHARE = 10
# Eviction frees a little more than necessary, so that it does not run for every batch.
_SLACK = 64
_LAST_KIND = 5


class Store:
    """The spans of all traces, in at most ``max_bytes`` of memory.

    Args:
        max_bytes: limit on the memory of traces and indexes, as the store counts it.
        now: monotonic seconds, for rates.

    Attributes:
        journal: keeps what is added, if set.
        later: calls a function, by default at once: packs and evicts old traces, for which a client need not wait.
        segment: that of the journal in which new traces begin; ``begun`` has the stored traces of each by number.
    """

    def __init__(self, max_bytes: int, now: Callable[[], float] = monotonic) -> None:
        self.max_bytes = max_bytes
        self.traces: dict[bytes, StoredTrace] = {}
        self.services: dict[str, StoredService] = {}
        self.scopes = Scopes()
        self.evicted = EvictedIds()
        self.bytes = 0
        self.spans = 0
        self.received = 0
        self.rejected = 0
        self.evicted_spans = 0
        self.evicted_by_service: dict[str, tuple[int, int]] = {}
        self.rate = Rate()
        self.version = 0
        self.now = now
        self.journal: Journal | None = None
        self.later: Callable[[Callable[[], None]], object] = call
        self.segment = 0
        self.begun = Counter[int]()
        self._largest = max_bytes // _TRACE_SHARE
        self._packing = Packing(max_bytes // _RECENT_SHARE, self._charge)
        self._memberships: dict[tuple[StoredService, ...], tuple[StoredService, ...]] = {}

    # -- storing -----------------------------------------------------------------------------------------------

    def add(self, batch: Batch, columns: Columns) -> int:
        """Store the spans of ``batch`` as decoded in ``columns``, and return the number of rejected spans.

        Spans are rejected if their trace exceeds its part of the memory. Older traces may be evicted.
        """
        self.rejected += columns.rejected
        if not columns.payloads:
            return 0
        scope = self.known_scope(batch)
        marks = Marks(scope.service, set(columns.names)) if self.journal is not None else None
        kept, refused = self._append(scope, self._index(scope.service, columns))
        if self.journal is not None and marks is not None:
            self.journal.add(scope, marks.addition(kept, self.segment), kept)
        self.rejected += refused
        self._count(scope, len(columns.payloads) - refused)
        if scope.spans == 0:
            self.scopes.release(scope.number, 0)
            self._tidy()
        self.later(self._fit)
        return refused

    def _fit(self) -> None:
        self._packing.pack()
        if self.bytes + self.scopes.bytes > self.max_bytes:
            self._make_room()

    def _index(self, service: StoredService, columns: Columns) -> dict[StoredTrace, list[bytes]]:
        # The innermost loop of the receiver. Returns the spans of each trace, each after its head.
        traces = self.traces
        operations = service.operations
        touched: dict[StoredTrace, list[bytes]] = {}
        segment, owned, recent = self.segment, service.owned, self._packing.recent
        already = len(owned)
        last, trace = b"", StoredTrace(b"", service, 0, 0)  # none yet
        fresh: list[bytes] = []
        for trace_id, head, payload, name, kind, start, end in zip(
            columns.trace_ids,
            span_heads(columns.payloads),
            columns.payloads,
            columns.names,
            columns.kinds,
            columns.starts,
            columns.ends,
            strict=True,
        ):
            if trace_id != last:  # the spans of a trace often follow each other
                last = trace_id
                known = traces.get(trace_id)
                if known is None:
                    trace = traces[trace_id] = StoredTrace(trace_id, service, start, end, segment)
                    owned.append(trace)
                    recent.append(trace)
                    fresh = touched[trace] = []
                else:
                    trace = known
                    fresh = touched.setdefault(trace, [])
            fresh.append(head)
            fresh.append(payload)
            if start < trace.start:
                trace.start = start
            if end > trace.end:
                trace.end = end
            took = end - start
            if took > trace.longest:
                trace.longest = took
            operation = operations.get(name)
            if operation is None:
                operation = operations[name] = StoredOperation()
                self.bytes += OPERATION_BYTES + len(name)
            if operation.last is not trace:
                operation.last = trace
                operation.recent.append(trace)
            if kind != operation.kind:
                operation.kind = kind
                operation.kinds |= 1 << kind if 0 <= kind <= _LAST_KIND else 1
        began = len(owned) - already
        self.begun[segment] += began
        self.bytes += TRACE_BYTES * began
        service.bytes += TRACE_BYTES * began
        return touched

    def _append(self, scope: Scope, touched: dict[StoredTrace, list[bytes]]) -> tuple[Kept, int]:
        # Appends the new spans of each trace as a chunk, if it does not become too large. Returns what the journal
        # keeps, if there is one, and the number of refused spans.
        service = scope.service
        kept: Kept = []
        refused = recent = added = owed = 0
        owner, largest, journal = service, self._largest, self.journal  # the sums are those of ``owner`` so far
        numbers: dict[int, bytes] = {}
        joined: dict[tuple[StoredService, ...], tuple[StoredService, ...]] = {}
        for trace, fresh in touched.items():
            payload, count, raw = b"".join(fresh), len(fresh) // 2, trace.stored
            if not isinstance(raw, bytes):
                raw = self._packing.unpack(trace)
            if len(raw) + len(payload) > largest:
                refused += count
                trace.truncated = True
                if not trace.spans:
                    self._evict(trace)
                    continue
                payload, count = b"", 0
            else:
                known = numbers.get(count)
                if known is None:
                    known = numbers[count] = scope.prefix + chunk_count(count)
                size = len(known) + len(payload)
                head = CHUNK_HEADS[size] if size < READY else chunk_head(size)
                trace.stored = b"".join((raw, head, known, payload))
                trace.spans += count
                size += len(head)
                if trace.place == RECENT:
                    recent += size
                size += SPAN_BYTES * count
                added += size
                if trace.owner is not owner and trace.owner is not None:
                    owner.bytes += owed
                    owner, owed = trace.owner, 0
                owed += size
                services = trace.services
                if service not in services:
                    trace.services = joined.get(services) or joined.setdefault(services, self._with(services, service))
                    service.recent.append(trace)
            if journal is not None:
                kept.append((trace, payload, count))
        owner.bytes += owed
        self.bytes += added
        self._packing.bytes += recent
        return kept, refused

    def _with(self, services: tuple[StoredService, ...], service: StoredService) -> tuple[StoredService, ...]:
        # All traces have the same few sets of services: each set is stored once.
        found = (*services, service)
        if len(self._memberships) > 4096:
            self._memberships.clear()
        return self._memberships.setdefault(found, found)

    def _charge(self, trace: StoredTrace, size: int) -> None:
        self.bytes += size
        if trace.owner is not None:
            trace.owner.bytes += size

    def _count(self, scope: Scope, stored: int) -> None:
        now = self.now()
        scope.spans += stored
        scope.service.received += stored
        scope.service.rate.add(stored, now)
        self.rate.add(stored, now)
        self.spans += stored
        self.received += stored
        self.version += 1

    # -- restoring ----------------------------------------------------------------------------------------------

    def known_service(self, name: str) -> StoredService:
        """Return a service, a new one if the store has none of the name."""
        service = self.services.get(name)
        if service is None:
            service = self.services[name] = StoredService(name)
            self.bytes += SERVICE_BYTES
        return service

    def known_scope(self, batch: Batch) -> Scope:
        """Return the scope of a batch, a new one if the store has none like it.

        Raises:
            Undecodable, TooLarge: See :func:`~devenv.backend.store.scopes.parse`.
        """
        found = self.scopes.find(batch)
        if found is None:
            parsed = parse(batch)
            found = self.scopes.add(batch, self.known_service(service_name(parsed[0])), parsed)
        return found

    def extend(
        self,
        trace_id: bytes,
        chunks: list[bytes],
        spans: int,
        services: tuple[StoredService, ...],
        bounds: tuple[int, int, int],
    ) -> StoredTrace:
        """Append chunks to a trace, or begin it with them, without an entry in an index.

        Args:
            trace_id: 16 bytes.
            chunks: encoded, in pieces, with the numbers of known scopes.
            spans: their number.
            services: of the trace; the first one owns it, unless the store has it.
            bounds: of the trace: start, end and the longest span; as services, those since it was (again) begun.
        """
        trace = self.traces.get(trace_id)
        self.spans += spans
        if trace is None:  # without a call: this is the innermost loop of a restoration
            start, end, longest = bounds
            owner = services[0]
            trace = self.traces[trace_id] = StoredTrace(trace_id, owner, start, end, self.segment)
            trace.stored = after = b"".join(chunks)
            trace.longest, trace.services, trace.spans = longest, services, spans
            owner.owned.append(trace)
            self._packing.recent.append(trace)
            self._packing.bytes += len(after)
            self.begun[self.segment] += 1
            size = TRACE_BYTES + len(after) + SPAN_BYTES * spans
            self.bytes += size
            owner.bytes += size
            return trace
        before = self._packing.unpack(trace)
        trace.stored = after = b"".join((before, *chunks))
        trace.start, trace.end = min(trace.start, bounds[0]), max(trace.end, bounds[1])
        trace.longest = max(trace.longest, bounds[2])
        trace.services = united(trace.services, services)
        trace.spans += spans
        size = len(after) - len(before)
        if trace.place == RECENT:
            self._packing.bytes += size
        self._charge(trace, size + SPAN_BYTES * spans)
        return trace

    def refer(self, service: StoredService, name: bytes, kinds: int, traces: list[StoredTrace]) -> None:
        """Add traces to an operation of the index; without one, only the kinds of an operation that it has."""
        operation = service.operations.get(name)
        if operation is None and not traces:
            return
        if operation is None:
            operation = service.operations[name] = StoredOperation()
            self.bytes += OPERATION_BYTES + len(name)
        operation.kinds |= kinds
        operation.recent += traces
        operation.last = operation.recent[-1]

    def settle(self, extended: Iterable[StoredTrace]) -> None:
        """Evict what is above the limits, after the traces ``extended`` were."""
        self.version += 1
        for trace in extended:
            if len(trace.raw) > self._largest:
                self._evict(trace)
        for scope in [each for each in self.scopes if each.spans <= 0]:
            self.scopes.release(scope.number, 0)
        self._tidy()
        if self.bytes + self.scopes.bytes > self.max_bytes:
            self._packing.pack(len(self.traces))  # all that was there before, if need be
            self._make_room()

    # -- evicting -----------------------------------------------------------------------------------------------

    def expire(self, segment: int) -> None:
        """Evict the traces that began in this segment of the journal or in an earlier one."""
        for service in list(self.services.values()):
            while service.owned and (service.owned[0].segment <= segment or not service.owned[0].alive):
                oldest = service.owned.popleft()
                if oldest.alive:
                    self._evict(oldest)
        self._tidy()

    def _make_room(self) -> None:
        # Scopes and services are removed with their last traces.
        target = self.max_bytes - self.max_bytes // _SLACK
        for service, floor in shares(self.services.values()):
            while service.owned and service.bytes > floor and self.bytes + self.scopes.bytes > target:
                oldest = service.owned.popleft()
                if oldest.alive:
                    self._evict(oldest)
            if self.bytes + self.scopes.bytes <= target:
                break
        self._tidy()

    def _evict(self, trace: StoredTrace) -> None:
        raw = trace.raw
        del self.traces[trace.id]
        self.evicted.add(trace.id)
        self.begun[trace.segment] -= 1
        self._charge(trace, -trace.cost)
        self._packing.remove(trace)
        trace.owner = None
        self.spans -= trace.spans
        self.evicted_spans += trace.spans
        for service in trace.services:
            service.dead += 1
            service.evicted_traces += 1
        for number, count in counts(raw):
            scope = self.scopes[number]
            scope.service.evicted_spans += count
            if scope.spans > count:
                scope.spans -= count
            else:
                self.scopes.release(number, count)
        # The indexes may still refer to the trace; its spans are released now.
        trace.stored = b""

    def _tidy(self) -> None:
        for service in list(self.services.values()):
            if service.recent and service.dead * 2 <= len(service.recent):
                continue
            names = sum(map(len, service.operations))
            gone = service.compact()
            self.bytes -= gone * OPERATION_BYTES + names - sum(map(len, service.operations))
            if not service.recent and not service.owned and not service.scopes:
                del self.services[service.name]
                self._memberships.clear()
                self.bytes -= SERVICE_BYTES
                remember(self.evicted_by_service, service)

    # -- finding -----------------------------------------------------------------------------------------------

    def get(self, trace_id: bytes) -> StoredTrace | None:
        """Return the trace with an ID of 16 bytes, or None."""
        return self.traces.get(trace_id)

    def newest(self, service: str = "", operation: str = "") -> Iterable[StoredTrace]:
        """Return traces with a span of ``service`` (any if empty) named ``operation``, the latest start first.

        A trace may occur twice, and an evicted one may still occur (see ``StoredTrace.alive``).
        """
        if not service:
            return reversed(list(self.traces.values()))
        found = self.services.get(service)
        if found is None:
            return ()
        if not operation:
            return reversed(found.recent)
        known = found.operations.get(operation.encode("utf-8", "surrogatepass"))
        return reversed(known.recent) if known is not None else ()
