"""The tables of `devenv metrics`, and quantities with units."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest

from devenv.cli.output import Output, Style
from devenv.cli.views.metrics import show_metrics
from devenv.cli.views.quantities import blocks, per_second, quantity
from devenv.model.metrics_document import MetricsDocument, SeriesPart, SpanFiguresPart, SurplusPart

NOW = 1_700_000_000.0
NOTHING = SurplusPart(series=0, more_series=False, points={}, evicted=0, refused={})


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        raise OSError  # a terminal that does not know its size has 80 columns


def at(seconds: float) -> str:
    return datetime.fromtimestamp(NOW - seconds, UTC).isoformat()


def series(**changes: Any) -> SeriesPart:
    given: dict[str, Any] = {
        "service": "web",
        "instance": "web-1",
        "scope": "s",
        "name": "process.memory",
        "unit": "By",
        "description": "",
        "kind": "gauge",
        "monotonic": False,
        "attributes": {},
        "time": at(1),
        "ended": False,
        "value": 3 * 1024.0**2,
        "count": None,
        "sum": None,
        "mean": None,
        "rate": None,
        "percentiles": {},
        "points": [(at(61), 1.0), (at(1), 2.0)],
    }
    return SeriesPart(**{**given, **changes})


def shown(*parts: SeriesPart, stdout: io.StringIO | None = None, **changes: Any) -> list[str]:
    given: dict[str, Any] = {"stored": True, "kept": 1, "limit": 4000, "surplus": NOTHING, "spans": [], **changes}
    stdout = stdout or io.StringIO()
    output = Output(style=Style(), stdout=stdout, stderr=io.StringIO(), live=False, colour=False)
    show_metrics(MetricsDocument(series=list(parts), **given), output, now=NOW)
    return [line.rstrip() for line in stdout.getvalue().splitlines()]


def test_calls_and_series() -> None:
    calls = SpanFiguresPart(
        service="web", calls=40, errors=2, rate=0.5, seconds=80, p50_ms=2.0, p95_ms=None, p99_ms=None
    )
    counter = series(name="requests", kind="sum", monotonic=True, unit="{request}", value=1234.0, rate=2.5)
    taken = series(
        name="http.server.request.duration", kind="histogram", unit="s", value=None, count=3, mean=0.0123, rate=0.5,
        percentiles={"p50": 0.01, "p99": 0.25}, attributes={"http.route": "/users/{id}"},
    )  # fmt: skip
    lines = [" ".join(line.split()) for line in shown(series(), counter, taken, spans=[calls])]
    assert lines == [
        "Calls answered in the last 15 minutes, computed from spans",
        "SERVICE CALLS RATE ERRORS P50 P95 P99",
        "web 40 0.5/s 2 (5.0%) 2.0 ms - -",
        "",
        "Metrics of web",
        "METRIC ATTRIBUTES NEWEST RATE LAST 15 MIN",
        "process.memory 3 MiB ▁█",
        "requests 1234 2.5/s ▅█",
        "http.server.request.duration http.route=/users/{id} mean 12.3 ms, p99 250 ms 0.5/s ▅█",
    ]


def test_everything_fits_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    points = [(at(60 * minute + 1), float(minute)) for minute in range(15)]
    long = series(
        name="http.server.request.duration.of.a.long.name", kind="histogram", unit="s", value=None, count=3,
        mean=0.0123, rate=123.456, percentiles={"p99": 0.25}, attributes={"http.route": "/users/{id}"}, points=points,
    )  # fmt: skip
    lines = shown(long, stdout=Terminal())
    assert max(map(len, lines)) <= 80
    assert "█▇▇▆▆▅▅▅▄▄▃▂▂▂▁"[:2] in lines[-2]
    assert lines[-1] == "  http.route=/users/{id}"


def test_what_was_not_stored_is_said() -> None:
    surplus = SurplusPart(series=7, more_series=True, points={"web": 9}, evicted=2, refused={"too many": 1, "odd": 3})
    lines = shown(series(), surplus=surplus)
    assert lines[-4:] == [
        "7 or more series are not stored: the trace backend keeps 4000, each service its equal share of them.",
        "2 series gave way to those of services that send fewer.",
        "1 data point not stored since the trace backend started: too many.",
        "3 data points not stored since the trace backend started: odd.",
    ]


def test_nothing_is_said_as_nothing() -> None:
    assert shown() == [
        "No calls answered in the last 15 minutes (no spans of kind server or consumer).",
        "",
        "No metrics received. Services send them with OTEL_METRICS_EXPORTER=otlp.",
    ]
    lines = shown(stored=False, looked_at=1, older_left_out=False)
    assert lines[1] == "1 trace looked at, all of these minutes."
    assert lines[-1] == "The trace backend stores traces only: metrics that services send are not kept."
    lines = shown(stored=False, looked_at=500, older_left_out=True)
    assert lines[1] == "500 traces looked at, the newest ones; older ones are not counted."


def test_an_old_series_says_its_age() -> None:
    assert shown(series(points=[], time=at(1200)))[-1].endswith("20 min 0 s ago")


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (None, "s", "-"),
        (0, "s", "0 s"),
        (0.00002, "s", "20 µs"),
        (0.5, "s", "500 ms"),
        (2500, "ms", "2.5 s"),
        (1500, "s", "1500 s"),
        (1023, "By", "1023 B"),
        (5 * 1024**3, "By", "5 GiB"),
        (12, "%", "12%"),
        (0.123456, "1", "0.1235"),
        (7, "{thread}", "7"),
        (21.5, "Cel", "21.5 Cel"),
        (1e12, "", "1e+12"),
    ],
)
def test_quantities(value: float | None, unit: str, expected: str) -> None:
    assert quantity(value, unit) == expected


def test_rates_and_blocks() -> None:
    assert per_second(None) == ""
    assert per_second(1536, "By") == "1.504 KiB/s"
    assert blocks([], from_zero=True) == ""
    assert blocks([None, None], from_zero=True) == ""
    assert blocks([5, None, 5], from_zero=False) == "▁ ▁"
    assert blocks([5, None, 5], from_zero=True) == "█ █"
    assert blocks([-1, 0, 1], from_zero=True) == "▁▅█"
