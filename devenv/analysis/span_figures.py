"""Rate, errors and durations of a service, computed from the spans of the calls that it answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from devenv.analysis.percentiles import percentile
from devenv.immutable import immutable
from devenv.model.span import NS_PER_MS, SpanKind
from devenv.model.trace import Trace

ANSWERED = (SpanKind.SERVER, SpanKind.CONSUMER)
"""Kinds of the spans that count: requests and messages that a service received."""
LEAST_S = 10.0
"""Seconds over which a rate is computed at least: the first call of all has no rate."""


class Answered(NamedTuple):
    """One call that a service answered: its end and duration in ns, and whether it failed."""

    end: int
    took: int
    failed: bool


@immutable(kw_only=True)
class SpanFigures:
    """Figures of one service.

    Attributes:
        rate: calls per second, over ``seconds``: since the first of the calls.
        p50_ms, p95_ms, p99_ms: exact; None if there are too few calls for that percentile.
    """

    calls: int
    errors: int
    rate: float
    seconds: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


def span_figures(calls: Iterable[Answered], now: int) -> SpanFigures | None:
    """Return the figures of a service's calls up to ``now`` (ns); None if there are none."""
    found = list(calls)
    if not found:
        return None
    durations = sorted(call.took for call in found)
    seconds = max((now - min(call.end for call in found)) / 1e9, LEAST_S)

    def milliseconds(quantile: float) -> float | None:
        value = percentile(durations, quantile)
        return None if value is None else round(value / NS_PER_MS, 3)

    return SpanFigures(
        calls=len(found),
        errors=sum(call.failed for call in found),
        rate=round(len(found) / seconds, 3),
        seconds=round(seconds, 1),
        p50_ms=milliseconds(0.5),
        p95_ms=milliseconds(0.95),
        p99_ms=milliseconds(0.99),
    )


def figures_of(traces: Iterable[Trace], start: int, now: int) -> Mapping[str, SpanFigures]:
    """Return the figures of each service, by name, of the calls that ended from ``start`` to ``now`` (ns)."""
    calls: dict[str, list[Answered]] = {}
    for trace in traces:
        for span in trace.spans:
            if span.kind in ANSWERED and start < span.end_ns <= now:
                answered = Answered(span.end_ns, span.duration_ns, span.is_error)
                calls.setdefault(span.service, []).append(answered)
    found = {name: span_figures(answered, now) for name, answered in sorted(calls.items())}
    return {name: figures for name, figures in found.items() if figures is not None}
