"""One series: its newest value, and what came in the last 15 minutes.

Cumulative values may begin again at any time, and delta values have no total: both become a total of what came since
the series is known, from which rates and percentiles are computed.
Rules: https://opentelemetry.io/docs/specs/otel/metrics/data-model/#resets-and-gaps.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

from devenv.backend.metrics.buckets import Layout, PackedBuckets, increase, limited, pack, percentile, together
from devenv.backend.metrics.history import SECOND, WINDOW, History
from devenv.immutable import immutable
from devenv.otlp.metric_points import Metric, Observations, Point, Quantiles

MINUTE = 60 * SECOND
_MINUTES = WINDOW // MINUTE
_NOTHING = Observations(0, 0.0, (), {})


@immutable()
class SeriesOrigin:
    """Who sends a series.

    Attributes:
        instance: ``service.instance.id``, or what else tells one process of a service from another; may be empty.
        scope: the instrumentation library's name.
    """

    service: str
    instance: str
    scope: str


class Series:
    """The state of one series; times in ns.

    Args:
        origin: who sends it.
        metric: the metric that it belongs to.
        attributes: encoded ``KeyValue`` messages.
    """

    def __init__(self, origin: SeriesOrigin, metric: Metric, attributes: tuple[bytes, ...]) -> None:
        self.origin = origin
        self.attributes = attributes
        self.name, self.kind, self.monotonic = metric.name, metric.kind, metric.monotonic
        self.unit = self.description = ""
        self.seen = 0
        """When the newest value is from, by this machine's clock."""
        self.ended = False
        self.value: float | None = None
        """The newest number of a gauge or sum; of delta values, their total."""
        self.count = 0
        self.sum: float | None = None
        self.quantiles: tuple[tuple[float, float], ...] = ()
        self.history = History()
        """Numbers; of what grows, the total of numbers or of observations."""
        self._sums = History()
        self._minutes: deque[tuple[int, PackedBuckets]] = deque(maxlen=_MINUTES + 1)
        self._time = self._start = 0
        self._total = self._total_sum = 0.0
        self._least: float | None = None
        self._most: float | None = None
        self._last: float | Observations | None = None
        self._temporality = metric.temporality
        # Of the data point in work: whether it is known since when it has grown, it begins again, or at its own time.
        self._known = self._begins = self._unknown = False
        self.describe(metric)

    @property
    def grows(self) -> bool:
        """Whether it has a rate: a monotonic sum, or observations."""
        return self.monotonic or self.kind not in {"gauge", "sum"}

    def describe(self, metric: Metric) -> None:
        """Take the newest unit and description, and how values are to be read."""
        self.unit, self.description = metric.unit, metric.description
        if metric.temporality != self._temporality:
            self._temporality, self._last = metric.temporality, None

    def add(self, point: Point, now: int) -> bool:
        """Take a data point, and return whether it is not older than those before; ``now`` by this machine's clock.

        One of the same time is the same point, sent again.
        """
        time = point.time or now
        if time <= self._time:
            return time == self._time
        at = max(min(time, now), self.seen)
        if not self.seen and at - WINDOW < point.start < at:
            self._begin(point.start)
        self._known = len(self.history) > 0
        self._begins = point.start > self._start > 0
        self._unknown = point.start >= time
        self.ended = point.value is None
        if isinstance(point.value, Observations):
            self._add_distribution(limited(point.value), at)
        elif isinstance(point.value, Quantiles):
            self._add_quantiles(point.value, at)
        elif point.value is not None:
            self._add_number(point.value, at)
        self._time, self._start, self.seen = time, point.start, at
        return True

    def _begin(self, start: int) -> None:
        """It is known since when the first value has grown; what began long ago says nothing of these minutes."""
        if self.grows:
            self.history.add(start, 0.0)
            self._sums.add(start, 0.0)

    def _add_number(self, value: float, at: int) -> None:
        if self._temporality == "delta":
            self.value = self._total = self._total + value
            self.history.add(at, self._total)
            return
        self.value = value
        if not self.monotonic:
            self.history.add(at, value)
            return
        self._total += self._growth(value)
        self.history.add(at, self._total)

    def _add_quantiles(self, value: Quantiles, at: int) -> None:
        self._total += self._growth(value.count)
        self.count, self.quantiles = value.count, value.values
        self.sum = value.sum if math.isfinite(value.sum) else None
        self.history.add(at, self._total)

    def _growth(self, value: float) -> float:
        before, self._last = self._last, value
        if not isinstance(before, int | float):
            return value if self._known and not self.seen else 0
        if self._begins or value < before:
            return 0 if self._unknown else value
        return value - before

    def _add_distribution(self, value: Observations, at: int) -> None:
        self._least = _extreme(min, self._least, value.least)
        self._most = _extreme(max, self._most, value.most)
        if self._temporality == "delta":
            more = value
            self.count += value.count
            self.sum = None if value.sum is None else (self.sum or 0.0) + value.sum
        else:
            more = self._new_observations(value)
            self.count, self.sum = value.count, value.sum
        self._total += more.count
        self._total_sum += more.sum or 0.0
        self.history.add(at, self._total)
        self._sums.add(at, self._total_sum)
        if more.buckets:
            self._keep(pack(more.layout, more.buckets), at // MINUTE)

    def _new_observations(self, value: Observations) -> Observations:
        before, self._last = self._last, value
        if not isinstance(before, Observations):
            return value if self._known and not self.seen else _NOTHING
        more = None if self._begins else increase(before, value)
        if more is None:
            return _NOTHING if self._unknown else value
        return more

    def _keep(self, packed: PackedBuckets, minute: int) -> None:
        if self._minutes and self._minutes[-1][0] == minute:
            layout, buckets = together((self._minutes.pop()[1], packed))
            found = limited(Observations(0, None, layout, buckets))
            packed = pack(found.layout, found.buckets)
        self._minutes.append((minute, packed))

    def percentile(self, quantile: float, now: int) -> float | None:
        """Return a percentile of the observations of the last 15 minutes, between the extremes that are known."""
        found = percentile(*self.recent(now), quantile)
        if found is None:
            return None
        found = found if self._least is None else max(found, self._least)
        return found if self._most is None else min(found, self._most)

    def recent(self, now: int) -> tuple[Layout, dict[int, int]]:
        """Return the buckets of the last 15 minutes, to the minute."""
        return together(packed for minute, packed in self._minutes if minute > now // MINUTE - _MINUTES)

    def mean(self, now: int) -> float | None:
        """Return the mean of the observations of the last 15 minutes; None if it is unknown."""
        count, total = self.history.increase(now), self._sums.increase(now)
        if self.sum is None or count is None or total is None or count.amount <= 0:
            return None
        return total.amount / count.amount


def _extreme(choose: Callable[[float, float], float], known: float | None, value: float | None) -> float | None:
    return known if value is None else value if known is None else choose(known, value)
