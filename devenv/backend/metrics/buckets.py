"""Arithmetic with the buckets of histograms: differences, sums, coarser exponential buckets, percentiles."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable
from dataclasses import replace

from devenv.immutable import immutable
from devenv.otlp.metric_points import Observations

MAX_BUCKETS = 160
"""Buckets of an exponential histogram that are kept, as SDKs keep them; with more, its buckets become coarser."""

Layout = tuple[float, ...] | int
_INFINITY = math.inf


@immutable()
class PackedBuckets:
    """Buckets that take 16 bytes each: their numbers, and their counts."""

    layout: Layout
    numbers: array[int]
    counts: array[float]


def pack(layout: Layout, buckets: dict[int, int]) -> PackedBuckets:
    """Return buckets as they are kept."""
    return PackedBuckets(layout, array("q", buckets), array("d", buckets.values()))


def unpack(packed: PackedBuckets) -> dict[int, int]:
    """Return kept buckets for arithmetic."""
    return dict(zip(packed.numbers, map(int, packed.counts), strict=True))


def limited(found: Observations) -> Observations:
    """Return an exponential histogram with at most ``MAX_BUCKETS`` buckets; another one as it is."""
    layout, buckets = found.layout, found.buckets
    while isinstance(layout, int) and len(buckets) > MAX_BUCKETS:
        layout, buckets = layout - 1, coarser(buckets, 1)
    return replace(found, layout=layout, buckets=buckets)


def coarser(buckets: dict[int, int], levels: int) -> dict[int, int]:
    """Return exponential buckets with a scale that is smaller by ``levels``.

    Formula: https://opentelemetry.io/docs/specs/otel/metrics/data-model/#all-scales-use-the-logarithm-function; two
    neighbours become one, ``index >> 1``.
    """
    found: dict[int, int] = {}
    for number, count in buckets.items():
        index, sign = divmod(number, 3)
        wider = (index >> levels) * 3 + sign if sign else 0
        found[wider] = found.get(wider, 0) + count
    return found


def increase(before: Observations, now: Observations) -> Observations | None:
    """Return what came between two cumulative histograms; None if the second one has begun again."""
    aligned = _aligned((before.layout, before.buckets), (now.layout, now.buckets))
    if now.count < before.count or aligned is None:
        return None
    layout, (old, new) = aligned
    buckets = {number: new.get(number, 0) - old.get(number, 0) for number in {**old, **new}}
    if any(count < 0 for count in buckets.values()):
        return None
    total = None if now.sum is None or before.sum is None else now.sum - before.sum
    return Observations(now.count - before.count, total, layout, {each: n for each, n in buckets.items() if n})


def together(parts: Iterable[PackedBuckets]) -> tuple[Layout, dict[int, int]]:
    """Return the sum of buckets; if bounds differ, that of those with the last ones."""
    layout: Layout = ()
    total: dict[int, int] = {}
    for part in parts:
        aligned = _aligned((layout, total), (part.layout, unpack(part)))
        if aligned is None:
            layout, total = part.layout, unpack(part)
            continue
        layout, (total, more) = aligned
        total = dict(total)
        for number, count in more.items():
            total[number] = total.get(number, 0) + count
    return layout, total


def _aligned(
    first: tuple[Layout, dict[int, int]], second: tuple[Layout, dict[int, int]]
) -> tuple[Layout, tuple[dict[int, int], dict[int, int]]] | None:
    """Both with the smaller scale; None if they have different bounds."""
    (one, old), (other, new) = first, second
    if isinstance(one, int) and isinstance(other, int):
        scale = min(one, other)
        return scale, (coarser(old, one - scale), coarser(new, other - scale))
    return (one, (old, new)) if one == other else None


def percentile(layout: Layout, buckets: dict[int, int], quantile: float) -> float | None:
    """Return the value at a quantile (0 < q <= 1), interpolated within its bucket; None if no bucket tells.

    As Prometheus' ``histogram_quantile``: in the last bucket, which has no upper bound, it is the lower bound, and a
    first bucket with a positive bound begins at 0.
    """
    ordered = sorted((_edges(layout, number), count) for number, count in buckets.items())
    total = sum(count for _, count in ordered)
    if not total or layout == ():
        return None
    wanted, below = quantile * total, 0
    for (low, high), count in ordered:
        if below + count >= wanted - 1e-9:
            if high == _INFINITY:
                return low
            if low == -_INFINITY:
                return high
            return low + (high - low) * min(max((wanted - below) / count, 0.0), 1.0)
        below += count
    raise AssertionError("the counts add up to the total")


def _edges(layout: Layout, number: int) -> tuple[float, float]:
    if isinstance(layout, int):
        index, sign = divmod(number, 3)
        if not sign:
            return 0.0, 0.0
        low, high = _power(index, layout), _power(index + 1, layout)
        return (low, high) if sign == 1 else (-high, -low)
    low = layout[number - 1] if number else (0.0 if layout and layout[0] > 0 else -_INFINITY)
    return low, layout[number] if number < len(layout) else _INFINITY


def _power(index: int, scale: int) -> float:
    try:
        return float(2.0 ** math.ldexp(index, -scale))
    except OverflowError:
        return _INFINITY if index > 0 else 0.0
