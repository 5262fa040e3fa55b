"""Whether traces that are gone were evicted, inferred from the order of loss.

Jaeger's memory store drops the oldest traces without a word. What was dropped so is a block at the beginning of the
order in which requests were sent; what was lost for another reason is strewn over it.
"""

from __future__ import annotations

from collections.abc import Sequence

LEAST = 10
"""Fewer traces than this show no order."""

_DENSITY = 0.9
"""So much of the block has to be gone: requests overlap, so that their traces are not dropped in their exact order."""


def infer_evicted(gone: Sequence[bool]) -> tuple[int, ...]:
    """Positions that were evicted, judging by ``gone`` in the order of sending; empty if the order does not show it.

    All of it gone says nothing: then the backend may never have had any.
    """
    positions = [position for position, is_gone in enumerate(gone) if is_gone]
    if len(positions) < LEAST or len(positions) == len(gone):
        return ()
    block = positions[-1] + 1
    return tuple(positions) if len(positions) >= _DENSITY * block else ()
