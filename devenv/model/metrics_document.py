"""The JSON document of ``devenv metrics``."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from devenv.model.documents import Document, Part


class SeriesPart(Part):
    """One series of OpenTelemetry metrics; times are RFC 3339 in UTC.

    ``value`` is the newest number of a gauge or sum (of delta values: their total), ``count`` and ``sum`` those of a
    histogram or summary. ``rate`` is the growth per second over the last 15 minutes, of what only grows: a monotonic
    sum, or the observations. ``mean`` and ``percentiles`` are of the observations of the last 15 minutes. A percentile
    is interpolated within its bucket, and in the last bucket its lower bound; it is not beyond the smallest and the
    largest observation, as far as they are known. Those of a summary are the program's own. ``points`` are the last
    15 minutes, at most one per 10 s: values, or growth per second of what only grows. ``null`` is unknown, or not a
    finite number. ``ended``: the program said that there are no more values.
    """

    service: str
    instance: str
    scope: str
    name: str
    unit: str
    description: str
    kind: Literal["gauge", "sum", "histogram", "exponential_histogram", "summary"]
    monotonic: bool
    attributes: dict[str, Any]
    time: str
    ended: bool
    value: float | None
    count: int | None
    sum: float | None
    mean: float | None
    rate: float | None
    percentiles: dict[str, float | None]
    points: list[tuple[str, float | None]]


class SpanFiguresPart(Part):
    """Calls that a service answered (spans of kind server or consumer) in the last 15 minutes.

    ``rate`` is per second, since the first of the calls; ``seconds`` is how long ago that was. Percentiles are exact,
    and ``null`` with too few calls for them.
    """

    service: str
    calls: int
    errors: int
    rate: float
    seconds: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class SurplusPart(Part):
    """What the trace backend did not store, since it started.

    ``series`` counts those above its number (``more_series``: or more), ``points`` their data points by service,
    ``evicted`` the series that gave way to another service's, and ``refused`` all data points that were not stored,
    by reason.
    """

    series: int
    more_series: bool
    points: dict[str, int]
    evicted: int
    refused: dict[str, int]


class MetricsDocument(Document):
    """``devenv metrics``.

    ``stored`` is whether the trace backend stores metrics; Jaeger does not. ``kept`` and ``limit`` are its number of
    series. ``looked_at`` is the number of traces that devenv itself read for ``spans``, the newest ones; ``null`` if
    the backend computed them from all its spans. ``older_left_out``: it has older ones of the last 15 minutes.
    """

    schema_: Literal["devenv.metrics/1"] = Field(default="devenv.metrics/1", alias="schema")
    stored: bool
    series: list[SeriesPart]
    kept: int
    limit: int
    surplus: SurplusPart
    spans: list[SpanFiguresPart]
    looked_at: int | None = None
    older_left_out: bool = False
