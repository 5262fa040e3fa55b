"""Parts of one request in several traces, found by the key that travels with it."""

from __future__ import annotations

from collections.abc import Collection

from devenv.model.trace import OWN_SERVICE, REQUEST_KEY, Trace
from devenv.traces.query import Query
from devenv.traces.source import TraceSource


async def parts_of(
    client: TraceSource, trace_id: str, *, start_ns: int, end_ns: int, services: Collection[str] | None = None
) -> list[Trace]:
    """Traces with other IDs that carry the key of the request sent as ``trace_id``.

    Args:
        client: of the backend.
        trace_id: id under which the request was sent, which is the key's value too.
        start_ns: no span of it started before, nanoseconds since the epoch.
        end_ns: nor after.
        services: where to look; ``None``: every service of the backend.
    """
    names = await client.services() if services is None else services
    found: dict[str, Trace] = {}
    for service in names:
        if service == OWN_SERVICE:
            continue
        query = Query(service=service, tags={REQUEST_KEY: trace_id}, start_ns=start_ns, end_ns=end_ns)
        found |= {trace.trace_id: trace for trace in await client.find(query)}
    found.pop(trace_id, None)
    return list(found.values())
