"""When each service was last heard of, and whether it continued the traces of its callers."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from devenv.immutable import immutable
from devenv.model.trace import OWN_SERVICE, Trace
from devenv.traces.query import Query
from devenv.traces.source import TraceSource


@immutable()
class Recent:
    """The recent spans of some services.

    Attributes:
        newest_ns: start of each service's newest span, nanoseconds since the epoch; services without one are left out.
        joined: services with a span below another service's span, so that propagation to them works.
    """

    newest_ns: dict[str, int]
    joined: frozenset[str]


async def recent_spans(
    client: TraceSource, services: Collection[str], *, start_ns: int, end_ns: int, since_ns: int
) -> Recent:
    """Return the recent spans of services.

    Args:
        client: of the backend.
        services: whose spans.
        start_ns: of the window.
        end_ns: of the window.
        since_ns: only spans that started after this show that propagation works.
    """
    names = sorted(services)
    queries = (Query(service=name, start_ns=start_ns, end_ns=end_ns) for name in names)
    found = await asyncio.gather(*(client.find(query) for query in queries))
    newest: dict[str, int] = {}
    joined: set[str] = set()
    for name, traces in zip(names, found, strict=True):
        starts = [span.start_ns for trace in traces for span in trace.spans if span.service == name]
        if starts and max(starts) >= start_ns:
            newest[name] = max(starts)
        if any(_joins(name, trace, since_ns) for trace in traces):
            joined.add(name)
    return Recent(newest, frozenset(joined))


def _joins(service: str, trace: Trace, since_ns: int) -> bool:
    """Whether a span of the service is below a span of another one of the stack."""
    by_id = {span.span_id: span for span in trace.spans}
    return any(
        (above := by_id.get(span.parent_id or "")) is not None and above.service not in {service, OWN_SERVICE}
        for span in trace.spans
        if span.service == service and span.start_ns >= since_ns
    )
