"""Finds which request, of those that began a new trace, answers which call."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from devenv.immutable import immutable

CLOCKS_NS = 50_000_000
"""How far the clocks of caller and called service may differ."""


@immutable()
class Interval:
    """The time in which a call ran, in nanoseconds since the epoch."""

    start_ns: int
    end_ns: int


def match_times(calls: Sequence[Interval], starts: Sequence[int], slack_ns: int = CLOCKS_NS) -> list[tuple[int, int]]:
    """Pair requests with calls during which they began, each at most once, as many as possible.

    Each request, in order of time, goes to the call under way that ends first, which is optimal for points in
    intervals; O(n log n).

    Args:
        calls: the calls.
        starts: when requests began.
        slack_ns: by how much a request may begin before or after its call.

    Returns:
        Positions in ``calls`` and ``starts``.
    """
    waiting = sorted(range(len(calls)), key=lambda number: calls[number].start_ns, reverse=True)
    open_calls: list[tuple[int, int]] = []
    found: list[tuple[int, int]] = []
    for request in sorted(range(len(starts)), key=starts.__getitem__):
        time = starts[request]
        while waiting and calls[waiting[-1]].start_ns - slack_ns <= time:
            call = waiting.pop()
            heapq.heappush(open_calls, (calls[call].end_ns + slack_ns, call))
        while open_calls and open_calls[0][0] < time:
            heapq.heappop(open_calls)
        if open_calls:
            found.append((heapq.heappop(open_calls)[1], request))
    return found
