"""A histogram of latencies for the live display, in the layout of HdrHistogram.

Values share a bucket if their leading bits are equal, so the relative error is bounded (here below 0.8%) and memory is
fixed. Values are added in batches, off the path of the requests, at 0.04 µs each; the package ``hdrhistogram`` takes
2.5 µs each, on the event loop of the generator. Exact figures come from the rows.
"""

from __future__ import annotations

from array import array

import numpy as np

_SUB_BITS = 7
"""Leading bits that distinguish buckets: 128 buckets per doubling of the value."""

_BUCKETS = 64 << _SUB_BITS


class Histogram:
    """Counts of non-negative integers (nanoseconds)."""

    def __init__(self) -> None:
        self._counts = np.zeros(_BUCKETS, dtype=np.int64)
        self.total = 0

    def add(self, values: array[int]) -> None:
        """Add values; negative ones count as 0."""
        if not values:
            return
        numbers = np.maximum(np.frombuffer(values, dtype=np.int64), 0)
        shifts = np.maximum(np.frexp(numbers.astype(np.float64))[1] - (_SUB_BITS + 1), 0)
        indexes = (shifts << _SUB_BITS) + (numbers >> shifts)
        self._counts += np.bincount(indexes, minlength=_BUCKETS)[:_BUCKETS]
        self.total += len(values)

    def quantile(self, quantile: float) -> float:
        """Return the middle of the bucket that contains the quantile (0 < q <= 1); 0 if the histogram is empty."""
        if self.total == 0:
            return 0.0
        rank = max(int(np.ceil(quantile * self.total)), 1)
        index = int(np.searchsorted(np.cumsum(self._counts), rank))
        return _middle(index)


def _middle(index: int) -> float:
    """Return the middle of a bucket; below ``2**(_SUB_BITS + 1)`` each value has its own bucket."""
    if index < 2 << _SUB_BITS:
        return float(index)
    shift = (index >> _SUB_BITS) - 1
    lowest = (index - (shift << _SUB_BITS)) << shift
    return lowest + ((1 << shift) - 1) / 2
