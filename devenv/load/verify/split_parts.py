"""Finds the parts of split traces: spans under other trace IDs with the requests' keys."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence

from devenv.analysis.completeness import request_of
from devenv.immutable import immutable
from devenv.model.trace import Trace
from devenv.traces.parts import parts_of
from devenv.traces.query import Query
from devenv.traces.source import TraceSource

FEW = 25
"""Up to this many requests are searched one by one; for more, all traces of the service in the window are read."""

_MOST_SEARCHED = 10_000


@immutable()
class Window:
    """The time window of the requests' spans, nanoseconds since the epoch."""

    start_ns: int
    end_ns: int


async def find_torn(
    client: TraceSource, missing: Mapping[str, Sequence[str]], known: Collection[str], window: Window
) -> dict[str, list[Trace]]:
    """Return the parts of split traces by the trace ID of their request.

    A part is searched among the traces of the services that are missing from its request.

    Args:
        client: of the backend.
        missing: the services without a span, by the trace ID of the request; the one nearest to its spans first.
        known: services with spans in the backend.
        window: the time in which the parts may have started.
    """
    first = Counter(services[0] for services in missing.values() if services)
    every = {service for services in missing.values() for service in services if service in known}
    found: dict[str, dict[str, Trace]] = defaultdict(dict)
    for service in sorted(every, key=lambda name: (-first[name], name)):
        wanted = {trace_id for trace_id, services in missing.items() if service in services and trace_id not in found}
        traces = await (_one_by_one if len(wanted) <= FEW else _all_at_once)(client, service, wanted, window)
        for trace in traces:
            request = request_of(trace)
            if request in wanted and request != trace.trace_id:
                found[request][trace.trace_id] = trace
    return {request: list(parts.values()) for request, parts in found.items()}


async def _one_by_one(client: TraceSource, service: str, wanted: Collection[str], window: Window) -> list[Trace]:
    answers = await asyncio.gather(
        *(
            parts_of(client, trace_id, start_ns=window.start_ns, end_ns=window.end_ns, services=[service])
            for trace_id in wanted
        )
    )
    return [trace for answer in answers for trace in answer]


async def _all_at_once(client: TraceSource, service: str, wanted: Collection[str], window: Window) -> list[Trace]:
    limit = min(2 * len(wanted) + 1000, _MOST_SEARCHED)
    return await client.find(Query(service=service, start_ns=window.start_ns, end_ns=window.end_ns, limit=limit))
