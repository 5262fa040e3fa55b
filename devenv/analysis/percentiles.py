"""Exact percentiles by the nearest-rank rule, and the number of samples that each one needs."""

from __future__ import annotations

import math
from typing import Any, Protocol

CONFIDENCE = 0.95
"""With fewer samples than :func:`samples_needed`, the largest one is below the true percentile more often than in 1 of
20 runs."""


def samples_needed(quantile: float) -> int:
    """The number of samples that a quantile (0 < q < 1) needs: the smallest ``n`` with ``q**n <= 1 - CONFIDENCE``.

    The largest of ``n`` samples is below the true quantile with probability ``q**n``. p50 needs 5 samples, p90 29,
    p95 59, p99 299, p99.9 2,995.
    """
    return math.ceil(math.log(1 - CONFIDENCE) / math.log(quantile))


TAIL = 10
"""Samples beyond a percentile in maps and reports, so that one slow call more or less moves it little."""


def settled_samples_needed(quantile: float) -> int:
    """The number of samples of which :data:`TAIL` lie beyond a quantile: p50 needs 20, p90 100, p99 1,000."""
    return math.ceil(round(TAIL / (1 - quantile), 6))


class Ordered(Protocol):
    """Samples in ascending order: a list, or an array of numpy's."""

    def __len__(self) -> int:
        """Number of samples."""
        ...

    def __getitem__(self, index: int, /) -> Any:
        """One sample."""
        ...


def percentile(ordered: Ordered, quantile: float) -> float | None:
    """The percentile by :func:`nearest_rank`, ``None`` if there are too few samples for it.

    Args:
        ordered: samples in ascending order.
        quantile: 0 < q < 1.
    """
    count = len(ordered)
    if count < samples_needed(quantile):
        return None
    return nearest_rank(ordered, quantile)


def settled_percentile(ordered: Ordered, quantile: float) -> float | None:
    """The percentile by :func:`nearest_rank`, ``None`` with less than :func:`settled_samples_needed` samples.

    Args:
        ordered: samples in ascending order.
        quantile: 0 < q < 1.
    """
    return nearest_rank(ordered, quantile) if len(ordered) >= settled_samples_needed(quantile) else None


def nearest_rank(ordered: Ordered, quantile: float) -> float:
    """The smallest sample with at least ``quantile`` of all at or below it; needs at least one sample."""
    rank = max(math.ceil(quantile * len(ordered) - 1e-9), 1)  # 0.99 * 100 is a little above 99 in binary
    return float(ordered[rank - 1])
