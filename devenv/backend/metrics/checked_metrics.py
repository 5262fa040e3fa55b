"""Checks the metrics of a batch: their data points as the store takes them."""

from __future__ import annotations

from collections import Counter

from devenv.immutable import immutable
from devenv.otlp.metric_points import Metric, Point, decode


@immutable()
class CheckedMetrics:
    """Metrics with their usable data points; ``unusable`` counts the others by reason."""

    metrics: list[tuple[Metric, list[Point]]]
    unusable: Counter[str]

    @property
    def rejected(self) -> int:
        """Number of data points that cannot be stored; a metric whose points cannot be counted is one."""
        return self.unusable.total()


def check(metrics: list[bytes]) -> CheckedMetrics:
    """Check encoded metrics.

    Raises:
        Undecodable: If one of them is not a metric.
    """
    found = CheckedMetrics([], Counter())
    for encoded in metrics:
        decoded = decode(encoded)
        if isinstance(decoded, str):
            found.unusable[decoded] += 1
            continue
        metric, given = decoded
        points: list[Point] = []
        for point in given:
            if isinstance(point, str):
                found.unusable[point] += 1
            else:
                points.append(point)
        found.metrics.append((metric, points))
    return found
