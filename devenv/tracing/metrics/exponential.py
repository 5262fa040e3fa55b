"""Histograms whose buckets grow by a factor, and adapt to what is measured.

Source: https://opentelemetry.io/docs/specs/otel/metrics/data-model/#exponentialhistogram. At scale s the factor is
2 ** (2 ** -s), and bucket i has what is above factor ** i, up to factor ** (i + 1). If the range needs more buckets
than there may be, the scale is lowered, which joins pairs of buckets.
"""

from __future__ import annotations

from math import ceil, frexp, log2

from devenv.tracing.metrics.instruments import Values
from devenv.tracing.metrics.store import Histogram

MOST_BUCKETS = 160
LARGEST_SCALE = 20


class ExponentialSeries:
    """The measurements with the same attributes.

    Attributes:
        scale: The scale.
        buckets: Number of measurements in each bucket that has any, by its index.
        zeros: Number of measurements that are 0.
        sum: Their sum.
        smallest: The smallest one.
        largest: The largest one.
    """

    __slots__ = ("_high", "_low", "buckets", "largest", "scale", "smallest", "sum", "zeros")

    def __init__(self) -> None:
        self.scale = LARGEST_SCALE
        self.buckets: dict[int, int] = {}
        self.zeros = 0
        self.sum = 0.0
        self.smallest = float("inf")
        self.largest = float("-inf")
        self._low = self._high = 0

    @property
    def count(self) -> int:
        """Number of measurements."""
        return self.zeros + sum(self.buckets.values())

    def add(self, seconds: float) -> None:
        """Add a measurement."""
        self.sum += seconds
        self.smallest = min(self.smallest, seconds)
        self.largest = max(self.largest, seconds)
        if seconds <= 0:
            self.zeros += 1
            return
        index = index_of(seconds, self.scale)
        if not self.buckets:
            self._low = self._high = index
        while max(self._high, index) - min(self._low, index) >= MOST_BUCKETS:
            self._join()
            index >>= 1
        self._low, self._high = min(self._low, index), max(self._high, index)
        self.buckets[index] = self.buckets.get(index, 0) + 1

    def _join(self) -> None:
        self.scale -= 1
        joined: dict[int, int] = {}
        for index, count in self.buckets.items():
            joined[index >> 1] = joined.get(index >> 1, 0) + count
        self.buckets = joined
        self._low >>= 1
        self._high >>= 1

    def copy(self) -> ExponentialSeries:
        """Return the present state."""
        made = ExponentialSeries()
        for name in self.__slots__:
            setattr(made, name, getattr(self, name))
        made.buckets = dict(self.buckets)
        return made


def index_of(seconds: float, scale: int) -> int:
    """Return the index of the bucket of a positive number; a power of 2 belongs to the bucket below it, exactly."""
    fraction, exponent = frexp(seconds)
    if fraction == 0.5:
        return ((exponent - 1) << scale) - 1 if scale >= 0 else (exponent - 2) >> -scale
    if scale <= 0:
        return (exponent - 1) >> -scale
    return ceil(log2(seconds) * (1 << scale)) - 1


class ExponentialHistogram(Histogram[ExponentialSeries]):
    """One instrument's series with exponential buckets."""

    def record(self, values: Values, seconds: float) -> None:
        """Record a measurement."""
        with self._lock:
            series = self._series.get(values) or self._first(values)
            series.add(seconds)

    def _new(self) -> ExponentialSeries:
        return ExponentialSeries()
