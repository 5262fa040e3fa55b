"""The figures of a run's document, computed from its rows; pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from devenv.analysis.percentiles import nearest_rank, percentile
from devenv.load.rows import Rows, answered, sampled, timed, trace_id
from devenv.model.load_documents import (
    LagDocument,
    PercentilesDocument,
    SlowRequestDocument,
    TraceCountsDocument,
)
from devenv.model.run import RequestError
from devenv.model.trace import TRACE_CLASSES

LAG_BUDGET_MS = 20.0
"""A run whose p99 lag is above this budget is invalid: it measures the generator rather than the services.

The budget is larger for slow services: :data:`LAG_SHARE` of the services' p99."""

LAG_SHARE = 0.1

LEAST_LATE = 2
"""Late requests of an invalid run: with fewer than 100 requests, a single late one is the p99."""

SLOWEST = 5
_NS_PER_MS = 1e6
_POINTS = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}


def percentiles(nanoseconds: Any) -> PercentilesDocument:
    """Return the percentiles, in milliseconds, of an array of nanoseconds; ``None`` for each with too few samples."""
    ordered = np.sort(nanoseconds) / _NS_PER_MS
    points = {name: percentile(ordered, quantile) for name, quantile in _POINTS.items()}
    return PercentilesDocument(**points, max=float(ordered[-1]) if len(ordered) else None)


def response_times(rows: Rows) -> PercentilesDocument:
    """Return the percentiles from the scheduled time to the end, of requests with a response or a timeout."""
    chosen = rows[timed(rows)]
    return percentiles(chosen["end"] - chosen["intended"])


def service_times(rows: Rows) -> PercentilesDocument:
    """Return the percentiles from the actual sending to the end, of requests with a response or a timeout."""
    chosen = rows[timed(rows)]
    return percentiles(chosen["end"] - chosen["actual"])


def generator_lag(rows: Rows) -> LagDocument:
    """Return the percentiles from the scheduled to the actual time; they describe this run, so few samples suffice."""
    if not len(rows):
        return LagDocument()
    ordered = np.sort(rows["actual"] - rows["intended"]) / _NS_PER_MS
    return LagDocument(p50=nearest_rank(ordered, 0.5), p99=nearest_rank(ordered, 0.99), max=float(ordered[-1]))


def error_counts(rows: Rows) -> dict[str, int]:
    """Return the number of failed requests per kind, the most frequent first."""
    failed = rows[rows["error"] != RequestError.NONE]
    kinds = Counter(
        RequestError(int(error)).label(int(status))
        for error, status in zip(failed["error"], failed["status"], strict=True)
    )
    return dict(kinds.most_common())


def redirects(rows: Rows) -> int:
    """Return the number of responses that redirect and count as success: the page itself was not measured."""
    return int(((rows["error"] == RequestError.NONE) & (rows["status"] >= 300) & (rows["status"] < 400)).sum())


def trace_counts(rows: Rows) -> TraceCountsDocument:
    """Return the number of requests in each class."""
    counts = np.bincount(rows["trace_class"], minlength=len(TRACE_CLASSES))
    return TraceCountsDocument(**{name: int(counts[index]) for index, name in enumerate(TRACE_CLASSES)})


def slowest(rows: Rows, link: Callable[[str], str] | None) -> list[SlowRequestDocument]:
    """Return the slowest sampled requests with a response, the slowest first, with links to their traces."""
    chosen = rows[answered(rows) & sampled(rows)]
    times = chosen["end"] - chosen["intended"]
    order = np.argsort(times, kind="stable")[::-1][:SLOWEST]
    return [
        SlowRequestDocument(
            trace_id=trace_id(chosen[index]),
            response_ms=float(times[index]) / _NS_PER_MS,
            ui_url=link(trace_id(chosen[index])) if link else None,
        )
        for index in order
    ]


def measurements(
    *,
    sent: int,
    failed: int,
    dropped: int,
    achieved_rps: float,
    response: PercentilesDocument,
    service: PercentilesDocument,
    lag: LagDocument,
    traces: TraceCountsDocument | None,
) -> dict[str, float | None]:
    """Return the values that thresholds are compared with, by metric; ``None`` if not measured.

    ``traced`` is the percentage of complete and late traces among all sampled requests, unverified ones included.
    """
    measured: dict[str, float | None] = {
        "errors": 100 * failed / sent if sent else None,
        "errors_count": failed,
        "dropped": dropped,
        "rate": achieved_rps,
        "traced": None,
    }
    for suffix, document in (("", response), ("_service", service), ("_lag", lag)):
        measured |= {f"{point}{suffix}": value for point, value in document.model_dump().items()}
    if traces is not None and sent > traces.unsampled:
        measured["traced"] = 100 * (traces.complete + traces.late) / (sent - traces.unsampled)
    return measured


def invalid_reason(rows: Rows, lag: LagDocument, service: PercentilesDocument) -> str:
    """Return why the run does not measure the services; empty if it does. ``lag`` and ``service`` are of the rows."""
    budget = max(LAG_BUDGET_MS, LAG_SHARE * (service.p99 or service.max or 0.0))
    if lag.p99 is None or lag.p99 <= budget:
        return ""
    if np.count_nonzero(rows["actual"] - rows["intended"] > budget * _NS_PER_MS) < LEAST_LATE:
        return ""
    return (
        f"the load generator was late: p99 lag {lag.p99:.1f} ms, budget {budget:.0f} ms; "
        "this machine is too busy for the rate"
    )
