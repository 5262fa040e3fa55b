"""A series as ``/api/devenv/metrics`` shows it: the fields of ``devenv.metrics/1``."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from google.protobuf.message import DecodeError

from devenv.backend.metrics.series import Series
from devenv.backend.metrics.store import MetricStore
from devenv.otlp import messages
from devenv.otlp.values import plain, text

QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def series_document(series: Series, now: int) -> dict[str, Any]:
    """Return a series; ``now`` in ns."""
    observes = series.kind not in {"gauge", "sum"}
    growth = series.history.increase(now) if series.grows else None
    points = series.history.rates(now) if series.grows else series.history.values(now)
    return {
        "service": series.origin.service,
        "instance": series.origin.instance,
        "scope": series.origin.scope,
        "name": series.name,
        "unit": series.unit,
        "description": series.description,
        "kind": series.kind,
        "monotonic": series.monotonic,
        "attributes": _attributes(series.attributes),
        "time": _time(series.seen),
        "ended": series.ended,
        "value": None if observes else _finite(series.value),
        "count": series.count if observes else None,
        "sum": _finite(series.sum) if observes else None,
        "mean": _finite(series.mean(now)) if observes else None,
        "rate": None if growth is None else _finite(growth.per_second),
        "percentiles": _percentiles(series, now) if observes else {},
        "points": [[_time(at), _finite(value)] for at, value in points],
    }


def surplus_document(store: MetricStore) -> dict[str, Any]:
    """Return what was not stored."""
    series, more = store.surplus_series
    return {
        "series": series,
        "more_series": more,
        "points": dict(sorted(store.surplus_points.items())),
        "evicted": store.evicted,
        "refused": dict(sorted(store.refused.items())),
    }


def _percentiles(series: Series, now: int) -> dict[str, float | None]:
    if series.kind == "summary":
        return {f"p{quantile * 100:g}": _finite(value) for quantile, value in series.quantiles}
    return {name: _finite(series.percentile(quantile, now)) for name, quantile in QUANTILES.items()}


def _attributes(encoded: tuple[bytes, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in encoded:
        try:
            pair = messages.KeyValue.FromString(each)
        except DecodeError:  # nested deeper than protobuf reads; the series is told from others all the same
            continue
        found.setdefault(text(pair.key), _in_json(plain(pair.value)))
    return found


def _in_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float):
        return _finite(value)
    if isinstance(value, list):
        return [_in_json(item) for item in value]
    if isinstance(value, dict):
        return {key: _in_json(item) for key, item in value.items()}
    return value


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / 1e9, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
