"""Remembers evicted traces, to distinguish them from traces that never arrived."""

from __future__ import annotations

from collections.abc import Iterable

_ID = 16


class EvictedIds:
    """A ring of trace IDs, 16 bytes each.

    Args:
        capacity: number of IDs; the oldest are overwritten first.
    """

    def __init__(self, capacity: int = 262_144) -> None:
        self._capacity = capacity
        self._ids = bytearray()
        self._next = 0
        self.total = 0

    def add(self, trace_id: bytes) -> None:
        """Add one ID of 16 bytes."""
        self.total += 1
        if len(self._ids) < self._capacity * _ID:
            self._ids += trace_id
            return
        at = self._next * _ID
        self._ids[at : at + _ID] = trace_id
        self._next = (self._next + 1) % self._capacity

    @property
    def forgotten(self) -> int:
        """Number of overwritten IDs: while it is 0, an ID that is not found was never evicted."""
        return self.total - len(self._ids) // _ID

    def among(self, trace_ids: Iterable[bytes]) -> list[bytes]:
        """Return those of ``trace_ids`` that are in the ring, in their order."""
        wanted = list(trace_ids)
        if len(wanted) <= 8:
            return [trace_id for trace_id in wanted if self._find(trace_id)]
        ids = bytes(self._ids)
        known = {ids[at : at + _ID] for at in range(0, len(ids), _ID)}
        return [trace_id for trace_id in wanted if trace_id in known]

    def _find(self, trace_id: bytes) -> bool:
        at = self._ids.find(trace_id)
        while at >= 0 and at % _ID:
            at = self._ids.find(trace_id, at + 1)
        return at >= 0
