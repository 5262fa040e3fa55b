"""A histogram of latencies for the live display, in the layout of HdrHistogram.

Values share a bucket if they agree in their leading bits, so that the error is bounded in proportion (here below 0.8 %)
and memory is fixed. Adding is done for many values at once, off the path of the requests. Exact figures come from the
rows.
"""

from __future__ import annotations

from array import array

import numpy as np

_SUB_BITS = 7
"""Leading bits that tell buckets apart: 128 buckets to each doubling of the value."""

_BUCKETS = 64 << _SUB_BITS


class Histogram:
    """Counts of non-negative integers (nanoseconds)."""

    def __init__(self) -> None:
        self._counts = np.zeros(_BUCKETS, dtype=np.int64)
        self.total = 0

    def add(self, values: array[int]) -> None:
        """Count values; negative ones as 0."""
        if not values:
            return
        numbers = np.maximum(np.frombuffer(values, dtype=np.int64), 0)
        shifts = np.maximum(np.frexp(numbers.astype(np.float64))[1] - (_SUB_BITS + 1), 0)
        indexes = (shifts << _SUB_BITS) + (numbers >> shifts)
        self._counts += np.bincount(indexes, minlength=_BUCKETS)[:_BUCKETS]
        self.total += len(values)

    def quantile(self, quantile: float) -> float:
        """Middle of the bucket that holds the quantile (0 < q <= 1); 0 where nothing was counted."""
        if self.total == 0:
            return 0.0
        rank = max(int(np.ceil(quantile * self.total)), 1)
        index = int(np.searchsorted(np.cumsum(self._counts), rank))
        return _middle(index)


def _middle(index: int) -> float:
    """The middle of a bucket: below ``2**(_SUB_BITS + 1)`` each value has its own."""
    if index < 2 << _SUB_BITS:
        return float(index)
    shift = (index >> _SUB_BITS) - 1
    lowest = (index - (shift << _SUB_BITS)) << shift
    return lowest + ((1 << shift) - 1) / 2
