"""Eviction policy: the service that uses the most memory loses its oldest traces or log records first.

It gives up memory down to the service with the next most. That is max-min fairness: a service below its equal share
never loses any to one above it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sized
from typing import Any, Protocol, TypeVar


class Owner(Protocol):
    """A service with what counts against its share of the memory, and the bytes of it."""

    name: str
    bytes: int

    @property
    def owned(self) -> Sized:
        """Traces or log records, in order of arrival."""


S = TypeVar("S", bound=Owner)


def shares(services: Iterable[S]) -> Iterator[tuple[S, int]]:
    """Yield services in the order of eviction, each with the bytes below which the next service follows.

    ``bytes`` of a service is read again at every step, as the caller frees memory in between. Ends when no service
    owns anything.
    """
    heap: list[tuple[int, str, Any]] = [
        (-service.bytes, service.name, service) for service in services if service.owned
    ]
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
