"""The time in which an operation was slower than before, found in its self times.

A value is slow if it is above twice the usual one and at least 20 ms longer. The usual value is the lowest median of
up to 8 parts of the series, so that a fault may last for most of it. The episode is the part in which slow values are
densest: the segment with the largest sum of scores (Kadane's algorithm). It counts only if values before it were usual
ones, and if the slow ones are too many for chance (likelihood-ratio test).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import log
from statistics import median_low

from devenv.immutable import immutable

FACTOR = 2
LEAST_NS = 20_000_000
"""A value is slow from this factor and from this difference to the usual value on."""
LEAST_VALUES = 8
"""Values before the episode, slow values in it, and values of a part."""
PARTS = 32
LEAST_S = 1.0
STALL = 2.5
"""Calls that all waited for the end of one pause began within at most 2 times their median wait."""
LEAST_RATIO = 24.0
"""Of the likelihoods, as twice its logarithm: p < 1e-6 for one place, as all segments are candidates."""

_SLOW, _USUAL = 9, -1
"""Scores: an episode has at least 1 slow value in 10."""


@immutable()
class Episode:
    """A part of a series; ``first`` and ``last`` are positions of slow values.

    Attributes:
        slow: positions of the slow values of the episode.
        usual_ns: median of the values before.
        slow_ns: median of the slow values.
    """

    first: int
    last: int
    slow: tuple[int, ...]
    usual_ns: int
    slow_ns: int


def slow_episode(starts_ns: Sequence[int], values_ns: Sequence[int]) -> Episode | None:
    """Return the episode of slow values of a series in order of start; ``None`` if there is none. Takes linear time."""
    parts = min(PARTS, len(values_ns) // LEAST_VALUES)
    if parts < 2:
        return None
    edges = [len(values_ns) * number // parts for number in range(parts + 1)]
    usual = min(median_low(values_ns[low:high]) for low, high in pairwise(edges))
    limit = max(usual * FACTOR, usual + LEAST_NS)
    slow = [number for number, value in enumerate(values_ns) if value > limit]
    if len(slow) < LEAST_VALUES:
        return None
    low, high = _densest(slow)
    inside = slow[low : high + 1]
    first, last = inside[0], inside[-1]
    if first < LEAST_VALUES or len(inside) < LEAST_VALUES:
        return None
    if _ratio(len(inside), last - first + 1, len(slow), len(values_ns)) < LEAST_RATIO:
        return None
    slow_ns = median_low(values_ns[number] for number in inside)
    if starts_ns[last] - starts_ns[first] < max(LEAST_S * 1e9, STALL * slow_ns):
        return None
    return Episode(first, last, tuple(inside), median_low(values_ns[:first]), slow_ns)


def _densest(slow: Sequence[int]) -> tuple[int, int]:
    """The first and the last of the slow values of the segment with the largest sum of scores."""
    best, found, total, begun = 0, (0, 0), 0, 0
    for number, position in enumerate(slow):
        gap = position - slow[number - 1] - 1 if number else 0
        if total + gap * _USUAL <= 0:
            total, begun = 0, number
        else:
            total += gap * _USUAL
        total += _SLOW
        if total > best:
            best, found = total, (begun, number)
    return found


def _ratio(slow_in: int, count_in: int, slow: int, count: int) -> float:
    """Twice the logarithm of the likelihoods' ratio: two shares of slow values, inside and outside, against one."""
    slow_out, count_out = slow - slow_in, count - count_in

    def likelihood(part: int, whole: int) -> float:
        return sum(n * log(n / whole) for n in (part, whole - part) if n)

    if slow_in * count_out <= slow_out * count_in:
        return 0.0
    return 2 * (likelihood(slow_in, count_in) + likelihood(slow_out, count_out) - likelihood(slow, count))
