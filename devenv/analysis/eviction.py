"""Infers from the order of missing traces whether the backend evicted them.

Jaeger's memory store evicts the oldest traces without reporting it. Evicted traces are a block at the beginning of the
order in which requests were sent. Traces that were lost for other reasons are scattered over it.
"""

from __future__ import annotations

from collections.abc import Sequence

LEAST = 10
"""The minimum number of missing traces: fewer do not show an order."""

_DENSITY = 0.9
"""The share of the block that has to be missing: requests overlap, so their traces are not evicted in exact order."""


def infer_evicted(gone: Sequence[bool]) -> tuple[int, ...]:
    """Positions that were evicted, judging by ``gone`` in the order of sending; empty if the order does not show it.

    If all traces are missing, the result is empty: the backend may never have received any.
    """
    positions = [position for position, is_gone in enumerate(gone) if is_gone]
    if len(positions) < LEAST or len(positions) == len(gone):
        return ()
    block = positions[-1] + 1
    return tuple(positions) if len(positions) >= _DENSITY * block else ()
