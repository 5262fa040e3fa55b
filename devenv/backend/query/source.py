"""The embedded store as a source of traces, read in process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from devenv.backend.logs.decoding import model_record
from devenv.backend.logs.search import position
from devenv.backend.logs.search import search as search_logs
from devenv.backend.logs.store import LogStore
from devenv.backend.query.dependencies import dependencies
from devenv.backend.query.lookups import operations
from devenv.backend.query.search import Criteria, search
from devenv.backend.query.spans import spans
from devenv.backend.query.summaries import summarized
from devenv.backend.query.traces_data import traces_data
from devenv.backend.store.decoding import Snapshot, encoded, snapshot
from devenv.backend.store.store import Store
from devenv.http.server.turns import Turn, Turns
from devenv.model.span import Span
from devenv.model.trace import Operation, ServiceDependency, Trace, TraceSummary, collect
from devenv.traces.links import UiLinks
from devenv.traces.logs.source import LogQuery, LogSelection
from devenv.traces.query import Query, newest_first
from devenv.traces.source import EncodedSpans, Selection

T = TypeVar("T", Trace, TraceSummary)

_BETWEEN_PAUSES = 32


class StoreSource:
    """Implements :class:`~devenv.traces.source.TraceSource` and :class:`~devenv.traces.logs.source.LogSource`.

    Args:
        store: the backend's.
        turns: the loop's time; by default, not shared with others.
        logs: the backend's log records; by default, none.
        ui_url: base URL of the pages; the default gives addresses relative to the server.
    """

    def __init__(
        self, store: Store, turns: Turns | None = None, logs: LogStore | None = None, *, ui_url: str = ""
    ) -> None:
        self._store = store
        self._turns = turns or Turns()
        self._logs = logs or LogStore(0)
        self.ui = UiLinks(ui_url)

    async def services(self) -> list[str]:
        """Names of all services that have spans, sorted."""
        return sorted(self._store.services)

    async def operations(self, service: str) -> list[Operation]:
        """Span names of a service with their kinds; empty for an unknown service."""
        return [Operation(name, kind) for name, kind in operations(self._store, service)]

    async def search(self, query: Query) -> list[TraceSummary]:
        """Summaries of the traces that match, newest first."""
        found = await self._found(query, _summary)
        return newest_first(query, found, lambda each: each.errors > 0)

    async def select(self, query: Query) -> Selection:
        """The search; the whole store is searched."""
        return Selection(await self.search(query))

    async def find(self, query: Query) -> list[Trace]:
        """Traces that match, with all their spans, newest first."""
        found = await self._found(query, _trace)
        return newest_first(query, found, lambda each: any(span.is_error for span in each.spans))

    async def trace(self, trace_id: str) -> Trace | None:
        """One trace; ``None`` if the store does not have it."""
        stored = self._store.get(_raw(trace_id))
        return None if stored is None else await _trace(snapshot(stored, self._store.scopes), self._turns.start())

    def encoded(self, trace_id: str) -> EncodedSpans | None:
        """One trace as it is stored now; ``None`` if the store does not have it."""
        stored = self._store.get(_raw(trace_id))
        if stored is None:
            return None
        return EncodedSpans(stored.spans, stored.truncated, traces_data(snapshot(stored, self._store.scopes)))

    async def traces(self, trace_ids: Iterable[str]) -> dict[str, Trace]:
        """Those of the traces that the store has, by ID."""
        found = [await self.trace(trace_id) for trace_id in dict.fromkeys(trace_ids)]
        return {trace.trace_id: trace for trace in found if trace is not None}

    async def dependencies(self, end_ns: int, lookback_ns: int) -> list[ServiceDependency]:
        """Calls between services in the ``lookback_ns`` nanoseconds before ``end_ns`` (since the epoch)."""
        turn = self._turns.start()
        found: list[ServiceDependency] = []
        for edges in dependencies(self._store, end_ns - lookback_ns, end_ns):
            if edges is None:
                await turn.pause()
            else:
                found = [ServiceDependency(*pair, edge.calls, edge.errors) for pair, edge in sorted(edges.items())]
        return found

    async def reports_evictions(self) -> bool:
        """Whether the backend reports which traces it evicted: yes."""
        return True

    async def evicted(self, trace_ids: Sequence[str]) -> frozenset[str]:
        """Those of the traces that the store evicted, as far as it remembers."""
        by_raw = {_raw(trace_id): trace_id for trace_id in trace_ids}
        return frozenset(by_raw[raw] for raw in self._store.evicted.among(by_raw))

    async def logs(self, query: LogQuery) -> LogSelection:
        """The newest log records that match."""
        turn = self._turns.start()
        found = await turn.take(search_logs(self._logs, query))
        records = []
        for number, record in enumerate(found.records, 1):
            records.append(model_record(record))
            if number % _BETWEEN_PAUSES == 0:
                await turn.pause()
        return LogSelection(records, position(found.records[0]) if found.more else "")

    async def _found(self, query: Query, read: Callable[[Snapshot, Turn], Awaitable[T | None]]) -> list[T]:
        """What ``read`` makes of the traces that match the query or its wider forms, each trace once."""
        turn = self._turns.start()
        found: dict[bytes, T | None] = {}
        for wide in query.widened():
            for stored in search(self._store, _criteria(wide)):
                await turn.pause()
                if stored is not None and stored.alive and stored.id not in found:
                    found[stored.id] = await read(snapshot(stored, self._store.scopes), turn)
        return [each for each in found.values() if each is not None]


async def _summary(taken: Snapshot, turn: Turn) -> TraceSummary:
    return await turn.take(summarized(taken))


async def _trace(taken: Snapshot, turn: Turn) -> Trace | None:
    """The trace; ``None`` if none of its spans can be decoded."""
    trace = await turn.take(encoded(taken))
    found: list[Span] = []
    for number, span in enumerate(spans(trace)):
        found.append(span)
        if number % _BETWEEN_PAUSES == 0:
            await turn.pause()
    collected = next(iter(collect(found)), None)
    return collected and replace(collected, truncated=trace.truncated)


def _criteria(query: Query) -> Criteria:
    return Criteria(
        service=query.service or "",
        operation=query.operation or "",
        start_min=query.start_ns,
        start_max=query.end_ns,
        duration_min=query.min_duration_ns or 0,
        duration_max=query.max_duration_ns or 0,
        attributes=dict(query.tags),
        limit=query.limit,
        where=query.where,
    )


def _raw(trace_id: str) -> bytes:
    """An ID of hex digits as the store has it; what is not an ID becomes one that the store cannot have."""
    try:
        return bytes.fromhex(trace_id.zfill(32))
    except ValueError:
        return b""
