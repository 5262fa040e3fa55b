"""Metrics for people: figures from spans, and each series with its last 15 minutes."""

from __future__ import annotations

from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING

from devenv.cli.table import Column
from devenv.cli.views.durations import duration
from devenv.cli.views.quantities import UNKNOWN, blocks, per_second, quantity
from devenv.cli.views.traces import milliseconds
from devenv.model.counts import plural

if TYPE_CHECKING:
    from devenv.cli.output import Output
    from devenv.model.metrics_document import MetricsDocument, SeriesPart, SpanFiguresPart

MINUTES = 15
_CALLS = (
    Column(title="SERVICE", least=12),
    *(Column(title=title) for title in ("CALLS", "RATE", "ERRORS", "P50", "P95", "P99")),
)
_SERIES = (
    Column(title="METRIC", least=24),
    Column(title="ATTRIBUTES", least=16, drop=1, below=True),
    Column(title="NEWEST"),
    Column(title="RATE"),
    Column(title="LAST 15 MIN", drop=2),
)


def show_metrics(document: MetricsDocument, output: Output, *, now: float) -> None:
    """A table of calls, and a table of series for each service; ``now`` in seconds since the epoch."""
    _show_calls(document, output)
    for service, series in groupby(document.series, key=lambda each: each.service):
        output.line()
        output.line(f"Metrics of {service}")
        output.table(_SERIES, [_row(each, now) for each in series])
    if not document.series:
        output.line()
        output.line(_none_received(document))
    _show_surplus(document, output)


def _show_calls(document: MetricsDocument, output: Output) -> None:
    if document.spans:
        output.line("Calls answered in the last 15 minutes, computed from spans")
        output.table(_CALLS, [_calls(each) for each in document.spans])
    else:
        output.line("No calls answered in the last 15 minutes (no spans of kind server or consumer).")
    if document.looked_at is not None:
        looked = plural(document.looked_at, "trace")
        left = "the newest ones; older ones are not counted" if document.older_left_out else "all of these minutes"
        output.line(f"{looked} looked at, {left}.")


def _none_received(document: MetricsDocument) -> str:
    if not document.stored:
        return "The trace backend stores traces only: metrics that services send are not kept."
    return "No metrics received. Services send them with OTEL_METRICS_EXPORTER=otlp."


def _calls(figures: SpanFiguresPart) -> tuple[str, ...]:
    errors = f"{figures.errors} ({figures.errors / figures.calls:.1%})" if figures.errors else ""
    percentiles = (figures.p50_ms, figures.p95_ms, figures.p99_ms)
    shown = (UNKNOWN if each is None else milliseconds(each, 1) for each in percentiles)
    return figures.service, str(figures.calls), per_second(figures.rate), errors, *shown


def _row(series: SeriesPart, now: float) -> tuple[str, ...]:
    attributes = ", ".join(f"{key}={value}" for key, value in series.attributes.items())
    rate = per_second(series.rate, series.unit if series.kind == "sum" else "")
    return series.name, attributes, _newest(series), rate, _course(series, now)


def _newest(series: SeriesPart) -> str:
    if series.kind in {"gauge", "sum"}:
        return quantity(series.value, series.unit)
    # The mean is exact, other than a percentile that is interpolated within its bucket.
    known = [("mean", series.mean), *list(series.percentiles.items())[-1:]]
    shown = [f"{name} {quantity(value, series.unit)}" for name, value in known if value is not None]
    return ", ".join(shown) or f"{series.count} values"


def _course(series: SeriesPart, now: float) -> str:
    if not series.points:
        age = now - _seconds(series.time)
        return f"{duration(age)} ago" if age > MINUTES * 60 else ""
    minutes: list[list[float]] = [[] for _ in range(MINUTES)]
    for time, value in series.points:
        place = MINUTES - 1 - int(max(now - _seconds(time), 0) // 60)
        if value is not None and place >= 0:
            minutes[place].append(value)
    grows = series.monotonic or series.kind not in {"gauge", "sum"}
    return blocks([sum(each) / len(each) if each else None for each in minutes], from_zero=grows).rstrip()


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()


def _show_surplus(document: MetricsDocument, output: Output) -> None:
    surplus = document.surplus
    if surplus.series:
        more = " or more" if surplus.more_series else ""
        output.line(
            f"{surplus.series}{more} series are not stored: the trace backend keeps {document.limit}, "
            "each service its equal share of them."
        )
    if surplus.evicted:
        output.line(f"{surplus.evicted} series gave way to those of services that send fewer.")
    for reason, points in surplus.refused.items():
        output.line(f"{plural(points, 'data point')} not stored since the trace backend started: {reason}.")
