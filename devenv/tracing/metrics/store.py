"""Histograms with explicit buckets, and the meter that holds those of this process.

A measurement is one lookup by its attributes' values, and three numbers of the series that it finds; what an export
needs of it (attributes, the count of all buckets) is made in the exporter's thread.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable
from time import time_ns
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from devenv.tracing.metrics.instruments import (
    DATABASE,
    HTTP_CLIENT,
    HTTP_SERVER,
    OVERFLOW,
    Instrument,
    Values,
)

MOST_SERIES = 2000
"""Cardinality limit of an instrument, the series of the overflow included
(https://opentelemetry.io/docs/specs/otel/metrics/sdk/#cardinality-limits)."""

Record = Callable[[Values, float], None]
"""Records a measurement: the values of its attributes, and a duration in seconds."""


class Series:
    """The measurements with the same attributes.

    Attributes:
        counts: Number of measurements in each bucket.
        sum: Their sum.
        smallest: The smallest one.
        largest: The largest one.
    """

    __slots__ = ("counts", "largest", "smallest", "sum")

    def __init__(self, counts: list[int], total: float, smallest: float, largest: float) -> None:
        self.counts = counts
        self.sum = total
        self.smallest = smallest
        self.largest = largest

    @property
    def count(self) -> int:
        """Number of measurements."""
        return sum(self.counts)

    def copy(self) -> Series:
        """Return the present state."""
        return Series(list(self.counts), self.sum, self.smallest, self.largest)


class Copied(Protocol):
    """Series of any kind."""

    def copy(self) -> Any:
        """Return the present state."""


S = TypeVar("S", bound=Copied)


class Collected(NamedTuple):
    """What an export has of one instrument.

    Attributes:
        instrument: The instrument.
        delta: Whether the series have what came since `began`, and not what came since the start of the process.
        began: Start of the series, in nanoseconds since the epoch.
        ended: Time of the collection.
        series: The series by the values of their attributes.
    """

    instrument: Instrument
    delta: bool
    began: int
    ended: int
    series: dict[Values, Any]


class Histogram(Generic[S]):
    """One instrument's series.

    Args:
        instrument: The instrument.
        delta: Whether a collection empties the series.
        begin: Called with the first measurement of each series.
    """

    def __init__(self, instrument: Instrument, delta: bool, begin: Callable[[], object]) -> None:
        self._instrument = instrument
        self._bounds = instrument.bounds
        self._delta = delta
        self._begin = begin
        self.restart()

    def restart(self) -> None:
        """Forget all measurements: a forked child counts its own."""
        # A signal handler or a finalizer may record while this thread holds the lock.
        self._lock = threading.RLock()
        self._series: dict[Values, S] = {}
        self._began = time_ns()

    def collect(self, now: int) -> Collected | None:
        """Return the series at a time in nanoseconds since the epoch, None without any."""
        with self._lock:
            began, series = self._began, self._series
            now = max(now, began)  # another thread may have collected at a later time
            if self._delta:
                self._series, self._began = {}, now
            else:
                series = {values: found.copy() for values, found in series.items()}
        return Collected(self._instrument, self._delta, began, now, series) if series else None

    def _first(self, values: Values) -> S:
        if len(self._series) >= MOST_SERIES - (OVERFLOW not in self._series):
            values = OVERFLOW
        self._begin()
        return self._series.setdefault(values, self._new())

    def record(self, values: Values, seconds: float) -> None:
        """Record a measurement."""
        raise NotImplementedError

    def _new(self) -> S:
        raise NotImplementedError


class ExplicitHistogram(Histogram[Series]):
    """One instrument's series with the buckets that the conventions advise."""

    def record(self, values: Values, seconds: float) -> None:
        """Record a measurement."""
        with self._lock:
            try:
                series = self._series[values]
            except KeyError:
                series = self._first(values)
            series.counts[bisect_left(self._bounds, seconds)] += 1
            series.sum += seconds
            if seconds > series.largest:
                series.largest = seconds
            if seconds < series.smallest:
                series.smallest = seconds

    def _new(self) -> Series:
        return Series([0] * (len(self._bounds) + 1), 0.0, float("inf"), float("-inf"))


class Meter:
    """The instruments of this process.

    Attributes:
        server: Records the duration of a request that is served.
        client: Records the duration of a request that is sent.
        database: Records the duration of a database operation.

    Args:
        delta: Whether a collection empties the series.
        begin: Called with the first measurement of each series.
        kind: The class of the histograms.
    """

    def __init__(
        self, delta: bool, begin: Callable[[], object], kind: type[Histogram[Any]] = ExplicitHistogram
    ) -> None:
        server, client, database = (kind(made, delta, begin) for made in (HTTP_SERVER, HTTP_CLIENT, DATABASE))
        self._histograms = (server, client, database)
        self.server: Record = server.record
        self.client: Record = client.record
        self.database: Record = database.record

    def replace(self, recording: Callable[[Instrument], Record]) -> None:
        """Record each instrument elsewhere from now on; the series until now are collected once more."""
        self.server, self.client, self.database = map(recording, (HTTP_SERVER, HTTP_CLIENT, DATABASE))

    def restart(self) -> None:
        """Forget all measurements."""
        for histogram in self._histograms:
            histogram.restart()

    def collect(self) -> list[Collected]:
        """Return the series of each instrument that has any."""
        now = time_ns()
        found = (histogram.collect(now) for histogram in self._histograms)
        return [collected for collected in found if collected is not None]
