"""The newest span of each service."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from devenv.traces.query import Query
from devenv.traces.source import TraceSource


async def newest_spans(client: TraceSource, services: Collection[str], *, start_ns: int, end_ns: int) -> dict[str, int]:
    """Start of each service's newest span in a window, nanoseconds since the epoch; services without one are left out.

    Args:
        client: of the backend.
        services: whose spans.
        start_ns: of the window.
        end_ns: of the window.
    """

    async def newest(service: str) -> int:
        traces = await client.find(Query(service=service, start_ns=start_ns, end_ns=end_ns))
        return max((span.start_ns for trace in traces for span in trace.spans if span.service == service), default=-1)

    names = sorted(services)
    found = await asyncio.gather(*(newest(name) for name in names))
    return {name: start for name, start in zip(names, found, strict=True) if start >= start_ns}
