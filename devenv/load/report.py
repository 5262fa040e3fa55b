"""From the rows of a run to the figures of its document: pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from devenv.analysis.percentiles import nearest_rank, percentile
from devenv.analysis.thresholds import keeps
from devenv.load.rows import Rows, answered, sampled, timed, trace_id
from devenv.model.documents import (
    LagDocument,
    PercentilesDocument,
    SlowRequestDocument,
    ThresholdDocument,
    TraceCountsDocument,
)
from devenv.model.run import RequestError, Threshold
from devenv.model.trace import TRACE_CLASSES

LAG_BUDGET_MS = 20.0
"""A run whose requests left later than this (p99) says more about the generator than about the services: invalid.

Services slow enough to leave it a smaller share than :data:`LAG_SHARE` are judged all the same."""

LAG_SHARE = 0.1

SLOWEST = 5
_NS_PER_MS = 1e6
_POINTS = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}


def percentiles(nanoseconds: Any) -> PercentilesDocument:
    """Percentiles in milliseconds of an array of nanoseconds; ``None`` for each that has too few samples."""
    ordered = np.sort(nanoseconds) / _NS_PER_MS
    points = {name: percentile(ordered, quantile) for name, quantile in _POINTS.items()}
    return PercentilesDocument(**points, max=float(ordered[-1]) if len(ordered) else None)


def response_times(rows: Rows) -> PercentilesDocument:
    """From the intended instant to the end, of what was answered or given up."""
    chosen = rows[timed(rows)]
    return percentiles(chosen["end"] - chosen["intended"])


def service_times(rows: Rows) -> PercentilesDocument:
    """From the actual sending to the end, of what was answered or given up."""
    chosen = rows[timed(rows)]
    return percentiles(chosen["end"] - chosen["actual"])


def generator_lag(rows: Rows) -> LagDocument:
    """From the intended to the actual instant; of the run as it was, so a few samples will do."""
    if not len(rows):
        return LagDocument()
    ordered = np.sort(rows["actual"] - rows["intended"]) / _NS_PER_MS
    return LagDocument(p50=nearest_rank(ordered, 0.5), p99=nearest_rank(ordered, 0.99), max=float(ordered[-1]))


def error_counts(rows: Rows) -> dict[str, int]:
    """Failed requests by kind, the most frequent first."""
    failed = rows[rows["error"] != RequestError.NONE]
    kinds = Counter(
        RequestError(int(error)).label(int(status))
        for error, status in zip(failed["error"], failed["status"], strict=True)
    )
    return dict(kinds.most_common())


def trace_counts(rows: Rows) -> TraceCountsDocument:
    """How many requests ended in each class."""
    counts = np.bincount(rows["trace_class"], minlength=len(TRACE_CLASSES))
    return TraceCountsDocument(**{name: int(counts[index]) for index, name in enumerate(TRACE_CLASSES)})


def slowest(rows: Rows, link: Callable[[str], str] | None) -> list[SlowRequestDocument]:
    """The slowest requests that were answered and sampled, the slowest first, with links to their traces."""
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
    """What thresholds are held against, by metric; ``None`` for what was not measured.

    ``traced`` is the share of complete and late among all that were to be traced, those not looked up included.
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


def evaluate(thresholds: Sequence[Threshold], measured: dict[str, float | None]) -> list[ThresholdDocument]:
    """Each threshold with its value and whether it is kept."""
    documents = []
    for threshold in thresholds:
        value, ok = keeps(threshold, measured)
        documents.append(ThresholdDocument(expr=threshold.expression, value=value, ok=ok))
    return documents


def invalid_reason(lag: LagDocument, service: PercentilesDocument) -> str:
    """Why the run says nothing about the services; empty where it does."""
    budget = max(LAG_BUDGET_MS, LAG_SHARE * (service.p99 or service.max or 0.0))
    if lag.p99 is not None and lag.p99 > budget:
        return (
            f"the generator was late: p99 of its lag is {lag.p99:.1f} ms, above the budget of {budget:.0f} ms; "
            "this machine is too busy for the rate"
        )
    return ""
