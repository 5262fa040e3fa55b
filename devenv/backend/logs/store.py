"""Log records in memory: found by trace and by service, evicted at the memory limit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import compress
from time import monotonic, time_ns
from typing import Any

from devenv.backend.logs.checked_records import CheckedRecords
from devenv.backend.logs.records import (
    RECORD_BYTES,
    SERVICE_BYTES,
    TRACE_BYTES,
    LogAddition,
    LogJournal,
    LogScope,
    LogService,
    StoredRecord,
)
from devenv.backend.store.rate import Rate
from devenv.backend.store.scopes import Key, parse, service_name
from devenv.backend.store.shares import shares
from devenv.otlp.batches import Batch
from devenv.otlp.wire import fixed64_field

# Eviction frees a little more than necessary, so that it does not run for every batch.
_SLACK = 64
# One record may use this part of the memory.
_RECORD_SHARE = 8
_REMEMBERED = 1000
_OBSERVED_TIME = 11  # the number of the field: a receiver sets it if it is not set


class LogStore:
    """The log records of all services, in at most ``max_bytes`` of memory.

    If the memory is full, the service that uses the most of it loses its oldest records first, as with traces.

    Args:
        max_bytes: limit on the memory of records and indexes, as the store counts it.
        now: monotonic seconds, for rates.
        wall: nanoseconds since the epoch: the time of a record that has none.

    Attributes:
        journal: keeps what is added, if set.
        next: order of the next record.
    """

    def __init__(self, max_bytes: int, now: Callable[[], float] = monotonic, wall: Callable[[], int] = time_ns) -> None:
        self.max_bytes = max_bytes
        self.services: dict[str, LogService] = {}
        self.bytes = 0
        self.records = 0
        self.received = 0
        self.rejected = 0
        self.evicted = 0
        self.rate = Rate()
        self.journal: LogJournal | None = None
        self.next = 0
        self._of_trace: dict[bytes, list[StoredRecord]] = {}
        self._scopes: dict[Key, LogScope] = {}
        self._evicted_of: dict[str, int] = {}
        self._now = now
        self._wall = wall

    # -- storing -----------------------------------------------------------------------------------------------

    def add(self, batch: Batch, checked: CheckedRecords) -> int:
        """Store the records of ``batch`` as they were checked, and return the number of rejected ones.

        A record is rejected if it exceeds its part of the memory. Older records may be evicted.
        """
        addition = self._addition(checked)
        stored = len(addition.payloads)
        refused = len(checked.payloads) - stored
        self.rejected += checked.rejected + refused
        if not stored:
            return refused
        scope = self._scope(batch)
        now = self._now()
        scope.service.received += stored
        scope.service.rate.add(stored, now)
        self.rate.add(stored, now)
        self.received += stored
        self._store(scope, addition)
        if self.journal is not None:
            self.journal.add_logs(scope.key, addition)
        return refused

    def restore(self, batch: Batch, addition: LogAddition) -> None:
        """Store again what a journal has kept; ``batch`` has no records, only their scope.

        Raises:
            Undecodable, TooLarge: If the scope is not valid; then nothing is stored.
        """
        if addition.payloads:
            self._store(self._scope(batch), addition)

    def _addition(self, checked: CheckedRecords) -> LogAddition:
        # The records that are not too large, each with a time.
        payloads, times = checked.payloads, checked.times
        severities, trace_ids = checked.severities, checked.trace_ids
        largest = self.max_bytes // _RECORD_SHARE
        if payloads and len(max(payloads, key=len)) > largest:
            fits = [len(payload) <= largest for payload in payloads]
            payloads, trace_ids = list(compress(payloads, fits)), list(compress(trace_ids, fits))
            times, severities = list(compress(times, fits)), list(compress(severities, fits))
        if not all(times):
            wall = self._wall()
            observed = fixed64_field(_OBSERVED_TIME, wall)
            payloads = [payload if at else payload + observed for payload, at in zip(payloads, times, strict=True)]
            times = [at or wall for at in times]
        return LogAddition(self.next, payloads, times, severities, trace_ids)

    def _store(self, scope: LogScope, addition: LogAddition) -> None:
        service, order = scope.service, addition.first
        before, traces = self.bytes, 0
        for payload, time, severity, trace_id in zip(
            addition.payloads, addition.times, addition.severities, addition.trace_ids, strict=True
        ):
            record = StoredRecord(scope, order, payload, time, severity, trace_id)
            order += 1
            service.owned.append(record)
            self.bytes += RECORD_BYTES + len(payload)
            if trace_id:
                same = self._of_trace.get(trace_id)
                if same is None:
                    self._of_trace[trace_id] = [record]
                    traces += 1
                else:
                    record.trace_id = same[0].trace_id  # one object for all records of a trace
                    same.append(record)
        service.bytes += self.bytes - before
        self.bytes += TRACE_BYTES * traces
        self.next = order
        scope.records += order - addition.first
        self.records += order - addition.first
        if self.bytes > self.max_bytes:
            self._make_room()

    def _scope(self, batch: Batch) -> LogScope:
        key = (batch.resource, batch.resource_url, batch.scope, batch.scope_url)
        known = self._scopes.get(key)
        if known is not None:
            return known
        resource, scope = parse(batch)
        name = service_name(resource)
        service = self.services.get(name)
        if service is None:
            service = self.services[name] = LogService(name)
            service.evicted = self._evicted_of.pop(name, 0)
            self.bytes += SERVICE_BYTES
        found = self._scopes[key] = LogScope(key, service, resource, scope)
        service.scopes += 1
        self.bytes += found.cost
        service.bytes += found.cost
        return found

    # -- evicting -----------------------------------------------------------------------------------------------

    def expire(self, end: int) -> None:
        """Evict the records whose order is below ``end``."""
        for service in list(self.services.values()):
            while service.owned and service.owned[0].order < end:
                self._evict(service.owned.popleft())

    def _make_room(self) -> None:
        target = self.max_bytes - self.max_bytes // _SLACK
        for service, floor in shares(self.services.values()):
            while service.owned and service.bytes > floor and self.bytes > target:
                self._evict(service.owned.popleft())
            if self.bytes <= target:
                break

    def _evict(self, record: StoredRecord) -> None:
        scope = record.scope
        size = RECORD_BYTES + len(record.payload)
        self.bytes -= size
        scope.service.bytes -= size
        scope.service.evicted += 1
        self.evicted += 1
        self.records -= 1
        if record.trace_id:
            same = self._of_trace[record.trace_id]
            same.remove(record)  # near the front: records of a trace are in order of arrival, too
            if not same:
                del self._of_trace[record.trace_id]
                self.bytes -= TRACE_BYTES
        scope.records -= 1
        if not scope.records:
            self._remove(scope)

    def _remove(self, scope: LogScope) -> None:
        del self._scopes[scope.key]
        self.bytes -= scope.cost
        service = scope.service
        service.bytes -= scope.cost
        service.scopes -= 1
        if not service.scopes:
            del self.services[service.name]
            self.bytes -= SERVICE_BYTES
            self._evicted_of[service.name] = service.evicted
            if len(self._evicted_of) > _REMEMBERED:
                del self._evicted_of[next(iter(self._evicted_of))]

    # -- finding -----------------------------------------------------------------------------------------------

    def of_trace(self, trace_id: bytes) -> list[StoredRecord]:
        """Return the records of a trace, by its ID of 16 bytes, as they arrived."""
        return list(self._of_trace.get(trace_id, ()))

    def of_services(self, names: Iterable[str] = ()) -> Iterator[StoredRecord]:
        """Yield the records of these services, of all if no one is named, service by service as they arrived.

        The store may change meanwhile: what is evicted then may be missing or not, and nothing is there twice.
        """
        wanted = [self.services[name] for name in names if name in self.services] or (
            [] if names else list(self.services.values())
        )
        for service in wanted:
            yield from list(service.owned)

    @property
    def oldest(self) -> int:
        """Order of the oldest stored record; that of the next one, if there is none."""
        return min((service.owned[0].order for service in self.services.values() if service.owned), default=self.next)

    # -- figures -----------------------------------------------------------------------------------------------

    def figures(self) -> dict[str, Any]:
        """What was received, stored and evicted, in total and per service; rates are records per second."""
        now = self._now()
        evicted = dict(self._evicted_of)
        services = {}
        for name, service in sorted(self.services.items()):
            services[name] = {
                "records_received": service.received,
                "records_per_second": round(service.rate.per_second(now), 2),
                "bytes": service.bytes,
            }
            if service.evicted:
                evicted[name] = service.evicted
        return {
            "records_received": self.received,
            "records_stored": self.records,
            "records_rejected": self.rejected,
            "records_per_second": round(self.rate.per_second(now), 2),
            "bytes": self.bytes,
            "max_bytes": self.max_bytes,
            "services": services,
            "evicted": {"records": self.evicted, "by_service": evicted},
        }
