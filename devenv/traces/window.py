"""All traces of some time, read in pages, so that neither side has to hold all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from devenv.model.trace import Trace
from devenv.traces.query import Query
from devenv.traces.source import TraceSource

PAGE = 500
"""Traces of one search at most: of 20 spans each, they are 10 MB of JSON."""
SMALL = PAGE // 4
"""With fewer traces in a slice of the time, the next slice is longer."""
LONGER, MUCH_LONGER = 4, 32
SHORTEST_NS = 1_000_000
"""A slice that is not divided; if there are more traces in it than in a page, some are left out, and that is told."""
AGAIN = 20
"""Traces that reach from one slice into the next one and are found in both, at most."""


@dataclass(slots=True)
class TraceWindow:
    """The newest traces that match a query, at most ``query.limit``.

    The time is searched slice by slice, each so short that the search finds all of its traces: a search with a limit
    returns the traces that arrived last, which need not be those that began last.

    Attributes:
        looked_at: how many traces were returned so far.
        more: whether there are older ones, known when the pages have ended.
    """

    source: TraceSource
    query: Query
    looked_at: int = 0
    more: bool = False

    async def pages(self) -> AsyncIterator[list[Trace]]:
        """The traces, the newest page first; each trace once."""
        seen: set[str] = set()
        start, end = self.query.start_ns, self.query.end_ns
        length = max(end - start, 1)
        while True:
            low = max(start, end - length)
            found = await self.source.find(replace(self.query, start_ns=low, end_ns=end, limit=PAGE))
            if len(found) >= PAGE and low < end - SHORTEST_NS:
                length = _shorter(found, end, end - low)
                continue
            new = [trace for trace in found if trace.trace_id not in seen]
            page = new[: self.query.limit - self.looked_at]
            seen.update(trace.trace_id for trace in page)
            self.looked_at += len(page)
            if page:
                yield page
            self.more = len(new) > len(page) or len(found) >= PAGE
            if len(new) > len(page) or low <= start:
                return
            if self.looked_at >= self.query.limit:
                older = await self.source.find(replace(self.query, end_ns=low, limit=AGAIN))
                self.more = any(trace.trace_id not in seen for trace in older)
                return
            end = low
            if len(found) < SMALL:
                length *= LONGER if found else MUCH_LONGER


def _shorter(found: Sequence[Trace], end: int, length: int) -> int:
    """The length of a slice with about half as many traces as were found, in nanoseconds."""
    starts = sorted((trace.start_ns for trace in found), reverse=True)
    return max(min(end - starts[len(starts) // 2], length // 2), SHORTEST_NS)


async def pages_of(source: TraceSource, trace_ids: Sequence[str]) -> AsyncIterator[list[Trace]]:
    """Those of the traces that the backend has, in the order of their IDs."""
    for start in range(0, len(trace_ids), PAGE):
        found = await source.traces(trace_ids[start : start + PAGE])
        yield list(found.values())
