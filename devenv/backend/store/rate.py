"""Events per second over the last few seconds."""

from __future__ import annotations

WINDOW = 10


class Rate:
    """Counts per second; those older than the window are dropped."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}

    def add(self, count: int, now: float) -> None:
        """Add ``count`` events at ``now`` (seconds of a monotonic clock)."""
        second = int(now)
        counts = self._counts
        if second in counts:
            counts[second] += count
            return
        counts[second] = count
        if len(counts) > WINDOW + 1:
            for old in [key for key in counts if key < second - WINDOW]:
                del counts[old]

    def per_second(self, now: float) -> float:
        """Return the mean over the window, without the current second."""
        second = int(now)
        return sum(n for at, n in self._counts.items() if second - WINDOW <= at < second) / WINDOW
