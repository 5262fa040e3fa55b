"""The document of a run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from devenv.analysis.thresholds import evaluate
from devenv.load import report
from devenv.load.options import LoadOptions
from devenv.load.rows import Rows
from devenv.load.send.sending import SendingOutcome
from devenv.load.verdict import judge
from devenv.load.verify.accounting import Account
from devenv.load.workload import Workload
from devenv.model.load_documents import LoadDocument
from devenv.model.run import Threshold
from devenv.model.trace import OWN_SERVICE, RUN_KEY
from devenv.traces.source import TraceSource

_MOST_LISTED = 200
"""At most this many traces on the search page that a run links to: more make Jaeger's page slow."""

_MARGIN_NS = 10**9


def summarize_run(
    options: LoadOptions,
    workload: Workload,
    run_id: str,
    rows: Rows,
    outcome: SendingOutcome,
    account: Account,
    *,
    thresholds: Sequence[Threshold],
    target_rps: float,
    client: TraceSource | None,
    removed: bool = False,
) -> LoadDocument:
    """Return the document of a run; the rows contain their classes."""
    response, service, lag = report.response_times(rows), report.service_times(rows), report.generator_lag(rows)
    traces = report.trace_counts(rows)
    achieved = outcome.sent / outcome.elapsed if outcome.elapsed > 0 else 0.0
    measured = report.measurements(
        sent=outcome.sent,
        failed=outcome.failed,
        dropped=outcome.dropped,
        achieved_rps=achieved,
        response=response,
        service=service,
        lag=lag,
        traces=traces if account.verified else None,
    )
    reason = report.invalid_reason(rows, lag, service)
    started = datetime.fromtimestamp(outcome.wall_ns / 1e9, UTC)
    document = LoadDocument(
        run_id=run_id,
        valid=not reason,
        invalid_reason=reason,
        target_rps=target_rps,
        achieved_rps=achieved,
        sent=outcome.sent,
        completed=outcome.completed,
        errors=report.error_counts(rows),
        dropped=outcome.dropped,
        response_ms=response,
        service_ms=service,
        generator_lag_ms=lag,
        traces=traces,
        slowest=report.slowest(rows, client.ui.trace if client else None),
        thresholds=evaluate(thresholds, measured),
        cpu_us_per_request=outcome.cpu_seconds * 1e6 / outcome.sent if outcome.sent else 0.0,
        name=options.name,
        scenario=workload.scenario_name,
        target=workload.shown_target,
        started_at=started.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        duration_s=outcome.elapsed,
        interrupted=outcome.interrupted,
        interrupted_by=("down" if removed else "signal") if outcome.interrupted else "",
        causes=account.causes,
        ui_url=_search_url(client, run_id, rows, outcome) if client else None,
        unverified_reason=account.failure,
        redirects=report.redirects(rows),
    )
    reasons = judge(document)
    return document.model_copy(update={"verdict": "failed" if reasons else "passed", "verdict_reasons": reasons})


def _search_url(client: TraceSource, run_id: str, rows: Rows, outcome: SendingOutcome) -> str:
    """Return the URL of the search page with the run's traces, found by their root spans."""
    last = int(rows["end"].max()) if len(rows) else round(outcome.elapsed * 1e9)
    return client.ui.search(
        OWN_SERVICE,
        outcome.wall_ns - _MARGIN_NS,
        outcome.wall_ns + last + _MARGIN_NS,
        tags={RUN_KEY: run_id},
        limit=min(max(outcome.sent, 20), _MOST_LISTED),
    )
