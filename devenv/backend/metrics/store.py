"""All series: a bounded number, fair between services; what is not stored is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from devenv.backend.metrics.checked_metrics import CheckedMetrics
from devenv.backend.metrics.history import WINDOW
from devenv.backend.metrics.series import Series, SeriesOrigin
from devenv.backend.store.scopes import parse, service_name
from devenv.otlp.batches import Batch
from devenv.otlp.metric_points import Metric, Point
from devenv.otlp.values import attributes, text

MAX_SERIES = 4000
"""A series has some 3 kB; one of a histogram with 160 buckets in use in every minute 40 kB."""
_REMEMBERED = 10_000
"""Series and services whose points were not stored, and that are counted apart."""

Key = tuple[SeriesOrigin, str, str, bool, tuple[bytes, ...]]

_PROCESS = ("container.id", "host.name", "process.pid")
"""What tells two processes of a service apart that have no ``service.instance.id``."""
_MAX_TEXT = 256
FULL = "more series than the backend keeps"
OLD = "data points older than the newest ones of their series"


class MetricStore:
    """The series of all services.

    Args:
        now: returns wall time in ns.
        most: series that are kept. A service that has fewer than its equal share takes the place of one of the
            service with most, which was not written to for the longest time.
    """

    def __init__(self, now: Callable[[], int], most: int = MAX_SERIES) -> None:
        self._now = now
        self._most = most
        self._services: dict[str, dict[Key, Series]] = {}
        self._known: tuple[tuple[bytes, bytes], SeriesOrigin] | None = None
        self._surplus: set[int] = set()
        self.series = 0
        self.points = 0
        """Data points that were stored."""
        self.refused: Counter[str] = Counter()
        """Data points that were not stored, by reason."""
        self.evicted = 0
        """Series that gave way to those of another service."""
        self.surplus_points: dict[str, int] = {}
        """Data points that were not stored because there are too many series, by service."""

    @property
    def most(self) -> int:
        """Series that are kept."""
        return self._most

    @property
    def surplus_series(self) -> tuple[int, bool]:
        """How many series were not stored, and whether there may be more: they are remembered up to a number."""
        return len(self._surplus), len(self._surplus) >= _REMEMBERED

    def services(self) -> list[str]:
        """Return the services that have series, by name."""
        return sorted(self._services)

    def of(self, service: str) -> list[Series]:
        """Return the series of a service, by name and attributes."""
        found = self._services.get(service, {}).values()
        return sorted(found, key=lambda each: (each.name, each.origin.instance, each.attributes))

    def figures(self) -> dict[str, Any]:
        """Return what is stored and what was not, for the backend's figures."""
        return {
            "series": self.series,
            "max_series": self._most,
            "points_stored": self.points,
            "points_refused": self.refused.total(),
            "series_surplus": len(self._surplus),
            "series_evicted": self.evicted,
            "services": {name: len(known) for name, known in sorted(self._services.items())},
        }

    def add(self, batch: Batch, checked: CheckedMetrics) -> int:
        """Take the data points of a batch, and return the number of those that were usable and yet not stored.

        Raises:
            Undecodable, TooLarge: If the batch's resource or scope is not valid.
        """
        self.refused.update(checked.unusable)
        origin, now = self._origin(batch), self._now()
        refused = 0
        for metric, points in checked.metrics:
            for point in points:
                reason = self._add(origin, metric, point, now)
                if reason:
                    self.refused[reason] += 1
                    refused += 1
                else:
                    self.points += 1
        return refused

    def _add(self, origin: SeriesOrigin, metric: Metric, point: Point, now: int) -> str:
        key = (origin, metric.name, metric.kind, metric.monotonic, tuple(sorted(point.attributes)))
        series = self._services.get(origin.service, {}).pop(key, None)
        if series is None:
            if not self._room_for(origin.service, now):
                self._count_surplus(origin.service, key)
                return FULL
            series = Series(origin, metric, key[4])
            self.series += 1
        # The one that was written to last is at the end.
        self._services.setdefault(origin.service, {})[key] = series
        series.describe(metric)
        return "" if series.add(point, now) else OLD

    def _origin(self, batch: Batch) -> SeriesOrigin:
        sent = (batch.resource, batch.scope)
        if self._known is None or self._known[0] != sent:
            self._known = (sent, origin_of(batch))
        return self._known[1]

    def _room_for(self, service: str, now: int) -> bool:
        if self.series < self._most:
            return True
        if self._remove_old(now):
            return True
        own = len(self._services.get(service, ()))
        largest = max(self._services, key=lambda name: len(self._services[name]))
        share = self._most // (len(self._services) + (not own))
        if own >= share or own + 1 >= len(self._services[largest]):
            return False
        self._remove(largest, next(iter(self._services[largest])))
        self.evicted += 1
        return True

    def _remove_old(self, now: int) -> bool:
        """Remove the series without a value in the last 15 minutes; those of a service begin with the oldest one."""
        before = self.series
        for service in list(self._services):
            known = self._services[service]
            while known and next(iter(known.values())).seen <= now - WINDOW:
                self._remove(service, next(iter(known)))
        return self.series < before

    def _remove(self, service: str, key: Key) -> None:
        known = self._services[service]
        del known[key]
        self.series -= 1
        if not known:
            del self._services[service]

    def _count_surplus(self, service: str, key: Key) -> None:
        if len(self._surplus) < _REMEMBERED:
            self._surplus.add(hash(key))
        if service not in self.surplus_points and len(self.surplus_points) >= _REMEMBERED:
            service = ""
        self.surplus_points[service] = self.surplus_points.get(service, 0) + 1


def origin_of(batch: Batch) -> SeriesOrigin:
    """Return who sends the metrics of a batch.

    Raises:
        Undecodable, TooLarge: If its resource or scope is not valid.
    """
    resource, scope = parse(batch)
    described = attributes(resource.attributes)
    instance = described.get("service.instance.id")
    if instance is None:
        instance = "/".join(str(described[key]) for key in _PROCESS if key in described)
    return SeriesOrigin(service_name(resource)[:_MAX_TEXT], str(instance)[:_MAX_TEXT], text(scope.name)[:_MAX_TEXT])
