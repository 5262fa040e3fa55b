"""Several exporters, each with its own queue, batches and receiver: the processors of a declarative configuration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic
from typing import TYPE_CHECKING

from devenv.tracing.export.exporter import BatchExporter, ExportStats

if TYPE_CHECKING:
    from devenv.tracing.light.span import LightSpan


class Exporters:
    """Passes each ended span to all exporters.

    Args:
        exporters: At least one.
    """

    def __init__(self, exporters: Sequence[BatchExporter]) -> None:
        self._exporters = tuple(exporters)

    def offer(self, span: LightSpan) -> None:
        """Queue an ended span in each; never blocks."""
        for exporter in self._exporters:
            exporter.offer(span)

    def stats(self, surplus: int = 0) -> ExportStats:
        """Return the sums of the counts; a span counts once for each exporter, those beyond a trace's limit once."""
        found = [exporter.stats() for exporter in self._exporters]
        return ExportStats(
            sum(each.exported for each in found),
            sum(each.dropped for each in found) + surplus,
            sum(each.failed for each in found),
            sum(each.queued for each in found),
            sum(each.batches for each in found),
        )

    def force_flush(self, timeout_s: float = 10.0) -> bool:
        """Deliver the waiting spans of each within the time; return False if that failed for one."""
        return self._in_turn(BatchExporter.force_flush, timeout_s)

    def shutdown(self, timeout_s: float = 5.0) -> bool:
        """Deliver the waiting spans of each within the time, then stop. Return whether none are left."""
        return self._in_turn(BatchExporter.shutdown, timeout_s)

    def _in_turn(self, action: Callable[[BatchExporter, float], bool], timeout_s: float) -> bool:
        """Act on each exporter; one without a receiver has its share of the time that is left."""
        deadline, done = monotonic() + timeout_s, True
        for left, exporter in zip(range(len(self._exporters), 0, -1), self._exporters):
            done = action(exporter, max(0.0, deadline - monotonic()) / left) and done
        return done
