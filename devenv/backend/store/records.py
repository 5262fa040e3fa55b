"""The store's objects in memory: traces and the indexes over them."""

from __future__ import annotations

from collections import deque

from devenv.backend.store.packs import Pack
from devenv.backend.store.rate import Rate

# Memory of a trace in addition to its encoded spans, and of a service, an operation or a scope, measured with CPython
# 3.11 and rounded up: the limit in bytes is for memory, not for payload.
TRACE_BYTES = 480
SPAN_BYTES = 10
SERVICE_BYTES = 2500
OPERATION_BYTES = 420
SCOPE_BYTES = 900


RECENT, APART = -1, -2
"""Places of traces that are not in a pack: one of the newest, or not."""


class StoredTrace:
    """One trace. ``raw`` is an encoded ``Stored``: chunks of spans, each with the number of its scope.

    It is ``stored`` as it is, or at a ``place`` in a pack.
    ``start`` and ``end`` (ns) enclose all spans, ``longest`` (ns) is the longest span's duration: bounds by which a
    search excludes a trace without decoding it. ``truncated`` is true if spans were rejected because it was too large.
    ``segment`` is that of the disk in which it began.
    """

    __slots__ = (
        "end",
        "id",
        "longest",
        "owner",
        "place",
        "segment",
        "services",
        "spans",
        "start",
        "stored",
        "truncated",
    )

    def __init__(self, trace_id: bytes, owner: StoredService, start: int, end: int, segment: int = 0) -> None:
        self.id = trace_id
        self.stored: bytes | Pack = b""
        self.place = RECENT
        self.start = start
        self.end = end
        self.longest = 0
        self.spans = 0
        self.services: tuple[StoredService, ...] = ()
        self.owner: StoredService | None = owner
        self.truncated = False
        self.segment = segment

    @property
    def raw(self) -> bytes:
        """The encoded trace."""
        stored = self.stored
        return stored if isinstance(stored, bytes) else stored.raw(self.place)

    @property
    def alive(self) -> bool:
        """Whether it is still in the store."""
        return self.owner is not None

    @property
    def cost(self) -> int:
        """Bytes of memory, as the store counts them; without the pack's."""
        size = len(self.stored) if isinstance(self.stored, bytes) else 0
        return size + TRACE_BYTES + SPAN_BYTES * self.spans


class StoredOperation:
    """One span name of a service: the kinds it occurred with, as bits, and its traces in order of arrival.

    ``kind`` and ``last`` are those of its last span.
    """

    __slots__ = ("kind", "kinds", "last", "recent")

    def __init__(self) -> None:
        self.kind: int | None = None
        self.kinds = 0
        self.recent: list[StoredTrace] = []
        self.last: StoredTrace | None = None


class StoredService:
    """One service: its operations, its traces, and those that count against its share of the memory.

    A trace counts against the service whose span arrived first, so a noisy service pays for its own traces. ``old`` are
    those that are packed next, of ``old_bytes`` when they became old.
    """

    __slots__ = (
        "bytes",
        "dead",
        "evicted_spans",
        "evicted_traces",
        "name",
        "old",
        "old_bytes",
        "operations",
        "owned",
        "rate",
        "received",
        "recent",
        "scopes",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.operations: dict[bytes, StoredOperation] = {}
        self.recent: list[StoredTrace] = []
        self.owned: deque[StoredTrace] = deque()
        self.old: list[StoredTrace] = []
        self.old_bytes = 0
        self.bytes = 0
        self.dead = 0
        self.received = 0
        self.evicted_spans = 0
        self.evicted_traces = 0
        self.scopes = 0
        self.rate = Rate()

    def compact(self) -> int:
        """Remove evicted traces from the indexes, and return the number of operations removed with them."""
        self.recent = [trace for trace in self.recent if trace.owner is not None]
        self.dead = 0
        gone = []
        for name, operation in self.operations.items():
            operation.recent = [trace for trace in operation.recent if trace.owner is not None]
            if operation.last is not None and not operation.last.alive:
                operation.last = None
            if not operation.recent:
                gone.append(name)
        for name in gone:
            del self.operations[name]
        return len(gone)


def united(earlier: tuple[StoredService, ...], later: tuple[StoredService, ...]) -> tuple[StoredService, ...]:
    """Return the services of two parts of a trace, in the order of their arrival."""
    return later if later[: len(earlier)] == earlier else tuple(dict.fromkeys((*earlier, *later)))


def remember(evicted: dict[str, tuple[int, int]], service: StoredService) -> None:
    """Add the evicted spans and traces of a removed service to the counts by name, of at most 1000 services."""
    spans, traces = evicted.pop(service.name, (0, 0))
    evicted[service.name] = (spans + service.evicted_spans, traces + service.evicted_traces)
    if len(evicted) > 1000:
        del evicted[next(iter(evicted))]
