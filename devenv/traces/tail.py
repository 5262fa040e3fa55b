"""Traces as they arrive: each once, when its spans are complete as far as can be seen."""

from __future__ import annotations

from collections.abc import Iterable

from devenv.immutable import immutable
from devenv.model.trace import TraceSummary


@immutable()
class Arrived:
    """What one look at the backend brought.

    Attributes:
        traces: in order of start.
        skipped: how many more there were than are shown.
        at_least: the backend returned as many traces as it was asked for, so that there may be more than ``skipped``.
    """

    traces: tuple[TraceSummary, ...] = ()
    skipped: int = 0
    at_least: bool = False


class Tail:
    """Takes the results of one search after another, and returns each trace once.

    A trace is shown when two looks have found the same number of spans in it, or when the searches no longer find it:
    their window has moved on.

    Args:
        start_ns: traces that began before are not shown, nanoseconds since the epoch.
        most: how many traces one look shows at most, the newest ones.
        limit: of the searches.
    """

    def __init__(self, *, start_ns: int, most: int, limit: int) -> None:
        self._start_ns = start_ns
        self._most = most
        self._limit = limit
        self._waiting: dict[str, TraceSummary] = {}
        self._shown: set[str] = set()

    def take(self, found: Iterable[TraceSummary]) -> Arrived:
        """Return the traces to show now.

        Args:
            found: the result of a search whose window begins no earlier than the last one's.
        """
        rows = {row.trace_id: row for row in found}
        at_least = len(rows) >= self._limit
        before, self._waiting = self._waiting, {}
        complete = [row for trace_id, row in before.items() if trace_id not in rows]
        for trace_id, row in rows.items():
            if trace_id in self._shown or row.start_ns < self._start_ns:
                continue
            if trace_id in before and before[trace_id].spans == row.spans:
                complete.append(row)
            else:
                self._waiting[trace_id] = row
        # A trace that the searches no longer find is not found again: its ID need not be kept.
        self._shown = (self._shown & rows.keys()) | {row.trace_id for row in complete if row.trace_id in rows}
        complete.sort(key=lambda row: row.start_ns)
        skipped = max(len(complete) - self._most, 0)
        return Arrived(tuple(complete[skipped:]), skipped, at_least)
