"""All traces of some time, read in pages, so that neither side has to hold all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from devenv.model.trace import Trace
from devenv.traces.query import Query
from devenv.traces.source import TraceSource

PAGE = 500
"""Traces of one search: of 20 spans each, they are 10 MB of JSON."""

AGAIN = 20
"""Traces of the page before that may be found again: the oldest one, and those whose spans have skewed times."""


@dataclass(slots=True)
class TraceWindow:
    """The newest traces that match a query, at most ``query.limit``.

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
        query = self.query
        while True:
            wanted = min(PAGE, self.query.limit - self.looked_at)
            limit = wanted + 1 + min(len(seen), AGAIN)  # one more than wanted tells that there are more
            found = await self.source.find(replace(query, limit=limit))
            new = [trace for trace in found if trace.trace_id not in seen]
            self.more = len(found) >= limit or len(new) > wanted
            page = new[:wanted]
            seen.update(trace.trace_id for trace in page)
            self.looked_at += len(page)
            if page:
                yield page
            if not self.more or not page or self.looked_at >= self.query.limit:
                return
            query = replace(query, end_ns=min(trace.start_ns for trace in page))


async def pages_of(source: TraceSource, trace_ids: Sequence[str]) -> AsyncIterator[list[Trace]]:
    """Those of the traces that the backend has, in the order of their IDs."""
    for start in range(0, len(trace_ids), PAGE):
        found = await source.traces(trace_ids[start : start + PAGE])
        yield list(found.values())
