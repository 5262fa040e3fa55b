"""``devenv report``: rate, errors and durations, where the time goes, objectives, and what fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.analysis.thresholds import evaluate
from devenv.app.traces.called_services import require_service
from devenv.app.traces.incident.parts import BEFORE_S, incident_part
from devenv.app.traces.report_parts import figure_parts, objective_part
from devenv.app.traces.traced_project import TracedProject, traced_project
from devenv.errors import NEGATIVE_VERDICT
from devenv.immutable import immutable
from devenv.model.analysis.report_document import BottleneckPart, ReportDocument
from devenv.traces.query import Query, rfc3339

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from devenv.analysis.trace_report import TraceReport
    from devenv.app.invocation import Invocation
    from devenv.model.run import Threshold
    from devenv.model.trace import Trace
    from devenv.traces.client import TraceClient

TIMEOUT = 60.0
"""Seconds for one request to the trace backend: a page of large traces."""

RUN_EVENTS_S = 86400.0
"""Seconds before now in which the engine's events are asked for, if the time of the run is not known yet."""

LEAST_S = 1.0
"""Seconds over which a rate is computed at least: one request alone has no rate."""


@immutable(kw_only=True)
class ReportOptions:
    """What is reported.

    Attributes:
        start_ns, end_ns: the time, nanoseconds since the epoch.
        run: ID or name of a saved run, whose traces are read instead of those of a time.
        service: only requests through this service, and its figures.
        thresholds: what has to be met.
        incident: look for what fails, is slower than before, or loses the context.
        limit: maximum number of traces that are read.
    """

    start_ns: int
    end_ns: int
    run: str | None = None
    service: str | None = None
    thresholds: Sequence[Threshold] = ()
    incident: bool = False
    limit: int = 10_000

    @property
    def events_since(self) -> float | None:
        """From when on the engine's events are of interest, seconds since the epoch; ``None`` if they are not."""
        if not self.incident:
            return None
        return self.end_ns / 1e9 - RUN_EVENTS_S if self.run is not None else self.start_ns / 1e9 - BEFORE_S


@immutable(kw_only=True)
class _Looked:
    """Which traces were read: of a run, how many of its traces are missing."""

    start_ns: int
    end_ns: int
    looked_at: int
    more: bool = False
    missing: int = 0
    run_id: str | None = None


async def report(invocation: Invocation, options: ReportOptions) -> ReportDocument:
    """Report what the traces of some time or of a run show.

    Raises:
        NotUp: If the project is not running.
        BackendUnavailable: If its trace backend does not respond.
        StackFileError: If its stack file is not valid.
        UnknownName: If no run has that ID or name, or no service of that name has spans.
    """
    from devenv.analysis.objectives.verdicts import targets
    from devenv.analysis.trace_report import TraceReport
    from devenv.traces.client import TraceClient

    around = await traced_project(invocation, events_since=options.events_since)
    objectives = around.stack.x.slo if around.stack is not None else {}
    found = TraceReport(list(targets(objectives)), around.callees, around.traced, incident=options.incident)
    async with TraceClient(around.backend.query_url, token=around.backend.token, timeout=TIMEOUT) as client:
        if options.run is not None:
            looked = await _read_run(invocation, client, options.run, options.service, found)
        else:
            looked = await _read_window(client, options, found)
        if options.service is not None and options.service not in found.figures.services:
            await require_service(client, options.service)
    return _document(around, options, found, looked)


def verdict_code(document: ReportDocument) -> int:
    """Exit code: 1 if a threshold is not met, else 0."""
    return 0 if all(threshold.ok for threshold in document.thresholds) else NEGATIVE_VERDICT


async def _read_window(client: TraceClient, options: ReportOptions, found: TraceReport) -> _Looked:
    from devenv.traces.window import TraceWindow

    query = Query(service=options.service, start_ns=options.start_ns, end_ns=options.end_ns, limit=options.limit)
    window = TraceWindow(client, query)
    await _add(window.pages(), None, found)
    return _Looked(start_ns=options.start_ns, end_ns=options.end_ns, looked_at=window.looked_at, more=window.more)


async def _read_run(
    invocation: Invocation, client: TraceClient, run: str, service: str | None, found: TraceReport
) -> _Looked:
    from devenv.app.traces.run_traces import traced_requests
    from devenv.traces.window import pages_of

    requests = traced_requests(invocation, run)
    looked_at = await _add(pages_of(client, requests.trace_ids), service, found)
    return _Looked(
        start_ns=requests.start_ns,
        end_ns=requests.end_ns,
        looked_at=looked_at,
        missing=len(requests.trace_ids) - looked_at,
        run_id=requests.run_id,
    )


async def _add(pages: AsyncIterator[list[Trace]], service: str | None, found: TraceReport) -> int:
    """Add the traces in which a service has spans; return how many traces were read."""
    from devenv.traces.background import in_background

    looked_at = 0
    async for page in pages:
        looked_at += len(page)
        wanted = [trace for trace in page if service is None or service in trace.services]
        await in_background(lambda wanted=wanted: found.add_all(wanted))  # type: ignore[misc]  # bound now
    return looked_at


def _document(around: TracedProject, options: ReportOptions, found: TraceReport, looked: _Looked) -> ReportDocument:
    figures = found.figures
    first_ns = figures.first_ns or looked.start_ns
    seconds = max((looked.end_ns - max(first_ns, looked.start_ns)) / 1e9, LEAST_S)
    samples = figures.services.get(options.service) if options.service is not None else figures.entries
    objectives = [objective_part(verdict) for verdict in found.objectives.verdicts(looked.end_ns)]
    measured = {
        **(samples.measured(seconds) if samples is not None else {}),
        "budget": min((part.budget_left * 100 for part in objectives), default=None),
    }
    incident = None
    if found.diagnosis is not None:
        incident = incident_part(
            around, found.diagnosis, start_ns=looked.start_ns, end_ns=looked.end_ns, first_ns=first_ns
        )
    return ReportDocument(
        source=around.backend.kind,
        since=rfc3339(looked.start_ns),
        until=rfc3339(looked.end_ns),
        services=[part for part in figure_parts(figures, seconds) if options.service in {None, part.name}],
        bottlenecks=[
            BottleneckPart(
                service=item.service,
                operation=item.operation,
                critical_share=round(item.critical_share, 4),
                self_ms=item.self_ms,
            )
            for item in figures.bottlenecks()
        ],
        slo=objectives,
        incident=incident,
        thresholds=evaluate(options.thresholds, measured),
        run=looked.run_id,
        requests=len(samples) if samples is not None else 0,
        errors=samples.errors if samples is not None else 0,
        seconds=round(seconds, 3),
        looked_at=looked.looked_at,
        older_left_out=looked.more,
        missing=looked.missing,
    )
