"""The one way to read traces, whichever backend stores them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from devenv.immutable import immutable
from devenv.model.trace import Operation, ServiceDependency, Trace, TraceSummary
from devenv.traces.links import UiLinks
from devenv.traces.query import Query


@immutable()
class Selection:
    """The result of a search.

    Attributes:
        traces: newest first.
        looked_at: how many traces were read and filtered here; ``None`` if the backend searched all that it has.
        more: whether there were more, older ones that were not looked at.
    """

    traces: list[TraceSummary]
    looked_at: int | None = None
    more: bool = False


@immutable()
class EncodedSpans:
    """A trace at one moment, not affected by later spans and eviction.

    Attributes:
        count: the number of spans, with those that arrived twice.
        truncated: see :class:`~devenv.model.trace.Trace`.
        pieces: an OTLP ``TracesData``, made while it is read; each piece takes about a millisecond.
    """

    count: int
    truncated: bool
    pieces: Iterator[bytes]


class TraceSource(Protocol):
    """Reads traces from a trace backend.

    :class:`~devenv.traces.client.TraceClient` reads any Jaeger and the embedded backend over HTTP,
    :class:`~devenv.backend.query.source.StoreSource` reads the embedded backend's store in its own process.
    tests/contract/test_trace_source.py states what they have in common.

    Every method raises :class:`~devenv.errors.BackendUnavailable` if the backend does not respond as expected.

    Attributes:
        ui: addresses of the pages for people.
    """

    ui: UiLinks

    async def services(self) -> list[str]:
        """Names of all services that have spans, sorted."""
        ...

    async def operations(self, service: str) -> list[Operation]:
        """Span names of a service with their kinds; empty for an unknown service."""
        ...

    async def search(self, query: Query) -> list[TraceSummary]:
        """Summaries of the traces that match, newest first."""
        ...

    async def select(self, query: Query) -> Selection:
        """As :meth:`search`, with how many traces were looked at, if the backend itself does not know filters."""
        ...

    async def find(self, query: Query) -> list[Trace]:
        """Traces that match, with all their spans, newest first."""
        ...

    async def trace(self, trace_id: str) -> Trace | None:
        """One trace; ``None`` if the backend does not have it."""
        ...

    async def traces(self, trace_ids: Iterable[str]) -> dict[str, Trace]:
        """Those of the traces that the backend has, by ID."""
        ...

    async def dependencies(self, end_ns: int, lookback_ns: int) -> list[ServiceDependency]:
        """Calls between services in the ``lookback_ns`` nanoseconds before ``end_ns`` (since the epoch)."""
        ...

    async def reports_evictions(self) -> bool:
        """Whether the backend reports which traces it evicted; Jaeger does not."""
        ...

    async def evicted(self, trace_ids: Sequence[str]) -> frozenset[str]:
        """Those of the traces that the backend evicted; empty if it does not report evictions."""
        ...
