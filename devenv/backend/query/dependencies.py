"""Which service calls which, from the parents of the spans, as Jaeger's memory store counts them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from devenv.backend.store.decoding import encoded, is_error, readable, snapshot
from devenv.backend.store.store import Store

_BETWEEN_PAUSES = 128
_CALLS = 4096  # about a millisecond


@dataclass(slots=True)
class Calls:
    """Calls along one edge; ``errors`` counts those whose child span failed."""

    calls: int = 0
    errors: int = 0


Edges = dict[tuple[str, str], Calls]


def dependencies(store: Store, start: int, end: int) -> Iterator[Edges | None]:
    """Yield the edges (parent, child) of all traces within a window in ns, a service's calls to itself included.

    Yields None to let the caller serve other connections, and the edges last.
    """
    edges: Edges = {}
    for count, trace in enumerate(list(store.traces.values()), 1):
        if count % _BETWEEN_PAUSES == 0:
            yield None
        if not trace.alive or trace.start <= start or trace.end >= end:
            continue
        spans = yield from encoded(snapshot(trace, store.scopes))
        services: dict[bytes, str] = {}
        called: list[tuple[bytes, str, bool]] = []
        for scope, payloads in spans.chunks:
            for span in readable(payloads):
                services.setdefault(span.span_id, scope.service.name)
                called.append((span.parent_span_id, scope.service.name, is_error(span)))
            yield None
        for number, (parent_id, service, error) in enumerate(called, 1):
            if number % _CALLS == 0:
                yield None
            parent = services.get(parent_id)
            if parent is not None:
                edge = edges.setdefault((parent, service), Calls())
                edge.calls += 1
                edge.errors += error
    yield edges
