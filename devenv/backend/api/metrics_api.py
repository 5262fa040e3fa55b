"""``/api/metrics``: what Jaeger's Monitor page asks for, with no metrics storage.

The answer is a ``MetricFamily`` of OpenMetrics as JSON, without the envelope of the other answers:
https://www.jaegertracing.io/docs/latest/architecture/spm/ (HTTP API).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from devenv.backend.api.envelopes import legacy, legacy_failure
from devenv.backend.api.params import MILLISECOND, BadParameter, legacy_reader
from devenv.backend.query.span_metrics import MOST_POINTS, Group, Measure, MetricsWindow, Point, series
from devenv.backend.store.decoding import KINDS
from devenv.backend.store.store import Store
from devenv.http.server.message import HttpRequest, Parameters, Response
from devenv.http.server.router import Route
from devenv.http.server.turns import Turns
from devenv.traces.times import parse_bool, parse_integer

_MIN_STEP_MS = 1
_LOOKBACK_MS = 3_600_000
_STEP_MS = 5_000
_WINDOW_MS = 600_000
_LAST_MS = 253_402_300_799_999  # the end of the year 9999: timestamps have four digits for it
_DEFAULT_KIND = "server"
_NAMES: dict[Measure, tuple[str, str]] = {
    "calls": ("call_rate", "calls/sec"),
    "errors": ("error_rate", "error rate, computed as a fraction of errors/sec over calls/sec"),
    "latencies": ("latencies", "{:.2f}th quantile latency"),
}


class MetricsApi:
    """The handlers; ``now`` returns wall time in ns, ``turns`` is the loop's time."""

    def __init__(self, store: Store, now: Callable[[], int], turns: Turns) -> None:
        self._store = store
        self._now = now
        self._turns = turns

    def routes(self) -> list[Route]:
        """Return the paths of the three measures, and of the smallest step."""
        return [
            Route("GET", "/api/metrics/minstep", _min_step),
            *(Route("GET", f"/api/metrics/{measure}", partial(self._answer, measure)) for measure in _NAMES),
        ]

    async def _answer(self, measure: Measure, request: HttpRequest) -> Response:
        try:
            parameters = request.parameters()
            quantile = _quantile(parameters) if measure == "latencies" else 0.0
            asked = _window(parameters, self._now())
        except ValueError as error:
            return legacy_failure(400, str(error))
        found = await self._turns.start().take(series(self._store, asked, measure, quantile))
        return Response.json(_family(measure, quantile, found, by_operation=asked.by_operation))


def _min_step(request: HttpRequest) -> Response:  # noqa: ARG001 (the handler's signature)
    return legacy(_MIN_STEP_MS, 1)


def _window(parameters: Parameters, now: int) -> MetricsWindow:
    services = frozenset(parameters.every("service"))
    if not services:
        raise BadParameter("unable to parse param 'service': expected at least one service name")
    reader = legacy_reader(parameters)
    end = reader.read(_milliseconds(0), now // MILLISECOND, "endTs")
    lookback = reader.read(_milliseconds(0), _LOOKBACK_MS, "lookback")
    step = reader.read(_milliseconds(_MIN_STEP_MS), _STEP_MS, "step")
    if lookback // step >= MOST_POINTS:
        raise BadParameter(f"unable to parse param 'step': found {step}, expected at most {MOST_POINTS} points")
    return MetricsWindow(
        services=services,
        kinds=frozenset(map(_kind, parameters.every("spanKind") or [_DEFAULT_KIND])),
        by_operation=bool(reader.read(parse_bool, False, "groupByOperation")),
        start=(end - lookback) * MILLISECOND,
        end=end * MILLISECOND,
        step=step * MILLISECOND,
        window=reader.read(_milliseconds(1), _WINDOW_MS, "ratePer") * MILLISECOND,
    )


def _milliseconds(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        value = parse_integer(text)
        if not least <= value <= _LAST_MS:
            raise ValueError(f"found {value}, expected {least} to {_LAST_MS}")
        return value

    return parse


def _kind(name: str) -> int:
    if name == "unspecified":
        return 0
    if name not in KINDS[1:]:
        raise BadParameter(f"unable to parse param 'spanKind': unsupported span kind: '{name}'")
    return KINDS.index(name)


def _quantile(parameters: Parameters) -> float:
    given = parameters.first("quantile")
    try:
        value = float(given)
    except ValueError:
        value = math.nan
    if not 0 < value <= 1:
        raise BadParameter(f"unable to parse param 'quantile': found '{given}', expected more than 0 and at most 1")
    return value


def _family(
    measure: Measure, quantile: float, found: dict[Group, list[Point]], *, by_operation: bool
) -> dict[str, Any]:
    name, description = _NAMES[measure]
    return {
        "name": f"service_{'operation_' if by_operation else ''}{name}",
        "type": "GAUGE",
        "help": f"{description.format(quantile)}, grouped by service{' & operation' if by_operation else ''}",
        "metrics": [_metric(group, points, by_operation=by_operation) for group, points in found.items()],
    }


def _metric(group: Group, points: list[Point], *, by_operation: bool) -> dict[str, Any]:
    service, operation = group
    labels = [{"name": "service_name", "value": service}]
    if by_operation:
        labels.insert(0, {"name": "operation", "value": operation})
    return {
        "labels": labels,
        "metricPoints": [{"gaugeValue": {"doubleValue": value}, "timestamp": _time(at)} for at, value in points],
    }


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / 1e9, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
