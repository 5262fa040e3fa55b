"""Eviction policy: the service that uses the most memory loses its oldest traces first.

It gives up memory down to the service with the next most. That is max-min fairness: a service below its equal share
never loses a trace to one above it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator

from devenv.backend.store.records import StoredService


def shares(services: Iterable[StoredService]) -> Iterator[tuple[StoredService, int]]:
    """Yield services in the order of eviction, each with the bytes below which the next service follows.

    ``StoredService.bytes`` is read again at every step, as the caller frees memory in between. Ends when no service
    owns a trace.
    """
    heap = [(-service.bytes, service.name, service) for service in services if service.owned]
    heapq.heapify(heap)
    while heap:
        _, _, service = heapq.heappop(heap)
        if not service.owned:
            continue
        floor = -heap[0][0] if heap else 0
        # One byte below the next: two equal services take turns, and each step frees at least one trace.
        yield service, min(floor, service.bytes - 1)
        if service.owned:
            heapq.heappush(heap, (-service.bytes, service.name, service))
