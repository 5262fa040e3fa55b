"""Reads the traces that are checked, and again those of which spans may still arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.immutable import immutable
from devenv.traces.background import in_background
from devenv.traces.query import Query
from devenv.traces.window import TraceWindow, pages_of

if TYPE_CHECKING:
    from devenv.analysis.checks.checks import TraceChecks
    from devenv.app.traces.run_traces import RunTraces
    from devenv.clock import Clock
    from devenv.model.trace import Trace
    from devenv.traces.source import TraceSource

SETTLING_S = 5.0
"""Seconds after the end of a trace in which spans of it may still arrive, as in the verification of a load run."""

ANSWERING_S = 60.0
"""Seconds after a run in which a service may still begin its own trace because of it."""


@immutable(kw_only=True)
class CheckedTime:
    """Which time was read; of a run, how many of its traces are missing.

    Attributes:
        more: whether there are older traces of that time.
    """

    start_ns: int
    end_ns: int
    more: bool = False
    missing: int = 0
    run_id: str | None = None


class Reading:
    """Adds traces of a trace backend to the checks."""

    def __init__(self, source: TraceSource, checks: TraceChecks, clock: Clock, *, limit: int) -> None:
        self._source = source
        self._checks = checks
        self._clock = clock
        self._limit = limit
        self._settled_ns = self._now_ns() - round(SETTLING_S * 1e9)
        self._read: set[str] = set()
        self._aside: set[str] = set()
        self._aside_ns = self._settled_ns

    async def window(self, start_ns: int, end_ns: int) -> CheckedTime:
        """Read the newest traces of some time, in nanoseconds since the epoch."""
        window = TraceWindow(self._source, Query(start_ns=start_ns, end_ns=end_ns, limit=self._limit))
        async for page in window.pages():
            await self._add(page)
        if await self._again():
            await self._answers(self._aside_ns, self._now_ns())
        return CheckedTime(start_ns=start_ns, end_ns=end_ns, more=window.more)

    async def run(self, run: RunTraces) -> CheckedTime:
        """Read the traces of a load run, and those that answer its calls without having continued its traces."""
        async for page in pages_of(self._source, run.trace_ids):
            await self._add(page)
        await self._again()
        found = len(self._read)
        await self._answers(run.start_ns, min(run.end_ns + round(ANSWERING_S * 1e9), self._now_ns()))
        return CheckedTime(
            start_ns=run.start_ns, end_ns=run.end_ns, missing=len(run.trace_ids) - found, run_id=run.run_id
        )

    async def _add(self, page: list[Trace]) -> None:
        self._read.update(trace.trace_id for trace in page)
        aside = await in_background(lambda: self._checks.add_all(page, settled_ns=self._settled_ns))
        if aside:
            self._aside |= aside
            self._aside_ns = min(self._aside_ns, *(trace.start_ns for trace in page if trace.trace_id in aside))

    async def _again(self) -> bool:
        """Read the traces that were put aside as they are after some seconds; return whether there were any."""
        if not self._aside:
            return False
        await self._clock.sleep(SETTLING_S)
        async for page in pages_of(self._source, sorted(self._aside)):
            await in_background(lambda page=page: self._checks.add_all(page))  # type: ignore[misc]  # bound now
        return True

    async def _answers(self, start_ns: int, end_ns: int) -> None:
        """Let other traces of some time answer calls of those that were read."""
        if not self._checks.unanswered:
            return
        window = TraceWindow(self._source, Query(start_ns=start_ns, end_ns=end_ns, limit=self._limit))
        async for page in window.pages():
            others = [trace for trace in page if trace.trace_id not in self._read]
            await in_background(lambda others=others: self._checks.add_answers(others))  # type: ignore[misc]  # bound now

    def _now_ns(self) -> int:
        return round(self._clock.now() * 1e9)
