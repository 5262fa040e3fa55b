"""The objects of the log store in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol

from devenv.backend.store.rate import Rate
from devenv.backend.store.scopes import Description, Key
from devenv.immutable import immutable

# Memory in addition to the encoded bytes, measured with CPython 3.11 and rounded up: of a record, of the list of a
# trace's records, of a service, and of a resource with its instrumentation scope.
RECORD_BYTES = 200
TRACE_BYTES = 220
SERVICE_BYTES = 2000
SCOPE_BYTES = 900


class LogScope(Description):
    """A resource with one instrumentation scope, stored once for all records that refer to it."""

    def __init__(self, key: Key, service: LogService, resource: Any, scope: Any) -> None:
        super().__init__(key, service.name, resource, scope)
        self.service = service
        self.records = 0
        self.cost = SCOPE_BYTES + 5 * sum(map(len, key))


@immutable()
class LogAddition:
    """The records of one scope that are stored together, encoded; ``first`` is the order of the first of them."""

    first: int
    payloads: Sequence[bytes]
    times: Sequence[int]
    severities: Sequence[int]
    trace_ids: Sequence[bytes]


class LogJournal(Protocol):
    """Keeps what is added."""

    def add_logs(self, key: Key, addition: LogAddition) -> None:
        """Keep the records of a scope; returns without waiting for the disk."""


class StoredRecord:
    """One log record, encoded.

    ``time`` (ns) and ``severity`` exclude it from a search without decoding it; ``order`` counts the records of all
    services as they arrived; ``trace_id`` is empty if the record belongs to no trace.
    """

    __slots__ = ("order", "payload", "scope", "severity", "time", "trace_id")

    def __init__(self, scope: LogScope, order: int, payload: bytes, time: int, severity: int, trace_id: bytes) -> None:
        self.scope = scope
        self.order = order
        self.payload = payload
        self.time = time
        self.severity = severity
        self.trace_id = trace_id


class LogService:
    """One service: its records as they arrived, which count against its share of the memory."""

    __slots__ = ("bytes", "evicted", "name", "owned", "rate", "received", "scopes")

    def __init__(self, name: str) -> None:
        self.name = name
        self.owned: deque[StoredRecord] = deque()
        self.scopes = 0
        self.bytes = 0
        self.received = 0
        self.evicted = 0
        self.rate = Rate()
