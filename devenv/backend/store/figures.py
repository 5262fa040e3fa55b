"""The store's figures as a document: for ``status``, and for the question why a trace is missing."""

from __future__ import annotations

from typing import Any

from devenv.backend.store.store import Store


def figures(store: Store) -> dict[str, Any]:
    """What was received, stored and evicted, in total and per service; rates are spans per second."""
    now = store.now()
    evicted = {name: {"spans": spans, "traces": traces} for name, (spans, traces) in store.evicted_by_service.items()}
    services = {}
    for name, service in sorted(store.services.items()):
        services[name] = {
            "spans_received": service.received,
            "spans_per_second": round(service.rate.per_second(now), 2),
            "bytes": service.bytes,
        }
        if service.evicted_traces:
            old = evicted.get(name, {"spans": 0, "traces": 0})
            evicted[name] = {
                "spans": old["spans"] + service.evicted_spans,
                "traces": old["traces"] + service.evicted_traces,
            }
    return {
        "spans_received": store.received,
        "spans_stored": store.spans,
        "spans_rejected": store.rejected,
        "spans_per_second": round(store.rate.per_second(now), 2),
        "traces_stored": len(store.traces),
        "bytes": store.bytes + store.scopes.bytes,
        "max_bytes": store.max_bytes,
        "services": services,
        "evicted": {
            "traces": store.evicted.total,
            "spans": store.evicted_spans,
            "ids_forgotten": store.evicted.forgotten,
            "by_service": evicted,
        },
    }
