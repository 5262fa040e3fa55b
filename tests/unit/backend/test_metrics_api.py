"""``/api/metrics``: the form of the answers that Jaeger's Monitor page reads, and its parameters."""

from __future__ import annotations

from typing import Any

import pytest
from embedded.in_process import START, backend, get, post
from otlp_build import MS, SECOND, make_span, one, trace_id

from devenv.backend.server import Backend

__all__ = ["backend"]  # a fixture
END_MS = START // MS + 60_000
ASKED = {"service": "shop", "endTs": END_MS, "lookback": 30_000, "step": 15_000, "ratePer": 60_000}


@pytest.fixture
def filled(backend: Backend) -> Backend:
    for number in range(6):
        start = START + number * 10 * SECOND
        status = 2 if number == 5 else 0
        span = make_span(trace_id(), name="GET /", kind=2, start=start, took=(number + 1) * MS, status=status)
        post(backend, one("shop", span))
    post(backend, one("shop", make_span(trace_id(), name="work", kind=1, start=START, took=MS)))
    return backend


async def values(backend: Backend, measure: str, **more: Any) -> list[tuple[str, float]]:
    status, family = await get(backend, f"/api/metrics/{measure}", **ASKED, **more)
    assert status == 200
    (metric,) = family["metrics"]
    return [(point["timestamp"][11:], point["gaugeValue"]["doubleValue"]) for point in metric["metricPoints"]]


async def test_calls_errors_and_latencies(filled: Backend) -> None:
    times = ["22:13:50.000Z", "22:14:05.000Z", "22:14:20.000Z"]
    assert await values(filled, "calls") == list(zip(times, [3 / 60, 5 / 60, 6 / 60], strict=True))
    assert await values(filled, "errors") == list(zip(times, [0.0, 0.0, 1 / 6], strict=True))
    assert await values(filled, "latencies", quantile="0.5") == list(zip(times, [2.0, 3.0, 3.0], strict=True))


async def test_a_series_for_each_operation(filled: Backend) -> None:
    kinds = ["server", "internal"]
    _, family = await get(filled, "/api/metrics/calls", **ASKED, groupByOperation="true", spanKind=kinds)
    assert family["name"] == "service_operation_call_rate"
    assert family["help"] == "calls/sec, grouped by service & operation"
    assert family["type"] == "GAUGE"
    assert [metric["labels"] for metric in family["metrics"]] == [
        [{"name": "operation", "value": name}, {"name": "service_name", "value": "shop"}] for name in ("GET /", "work")
    ]


@pytest.mark.parametrize(
    ("measure", "more", "name"),
    [
        ("latencies", {"quantile": "0.95"}, "service_latencies"),
        ("calls", {}, "service_call_rate"),
        ("errors", {}, "service_error_rate"),
        ("latencies", {"quantile": "0.95", "groupByOperation": "true"}, "service_operation_latencies"),
        ("calls", {"groupByOperation": "true"}, "service_operation_call_rate"),
        ("errors", {"groupByOperation": "true"}, "service_operation_error_rate"),
    ],
)
async def test_what_the_monitor_page_asks_for(filled: Backend, measure: str, more: dict[str, Any], name: str) -> None:
    """The addresses of Jaeger's UI, with each of its parameters, and the name by which it tells the answers apart."""
    asked = {**ASKED, **more, "endTs": END_MS, "spanKind": ["server", "consumer"]}
    status, family = await get(filled, f"/api/metrics/{measure}", **asked)
    assert (status, family["name"], family["type"]) == (200, name, "GAUGE")
    (metric,) = family["metrics"]
    labels = {label["name"]: label["value"] for label in metric["labels"]}
    assert labels == {"service_name": "shop", **({"operation": "GET /"} if "operation" in name else {})}
    assert len(metric["metricPoints"]) == 3


async def test_a_service_without_spans_has_no_series(filled: Backend) -> None:
    assert (await get(filled, "/api/metrics/calls", **{**ASKED, "service": "none"}))[1]["metrics"] == []
    assert (await get(filled, "/api/metrics/minstep"))[1]["data"] == 1


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"service": []}, "at least one service name"),
        ({"step": 0}, "'step': found 0, expected 1 to"),
        ({"step": 1}, "'step': found 1, expected at most 11000 points"),
        ({"step": "x"}, "'step': parsing"),
        ({"ratePer": -1}, "'ratePer': found -1"),
        ({"endTs": 10**15}, "'endTs': found"),
        ({"spanKind": "any"}, "unsupported span kind: 'any'"),
        ({"groupByOperation": "maybe"}, "'groupByOperation': parsing"),
        ({"quantile": "2"}, "'quantile': found '2'"),
        ({"quantile": "nan"}, "'quantile': found 'nan'"),
        ({"quantile": ""}, "'quantile': found ''"),
    ],
)
async def test_bad_parameters_are_the_clients_error(backend: Backend, changed: dict[str, Any], said: str) -> None:
    status, document = await get(backend, "/api/metrics/latencies", **{**ASKED, "quantile": 0.5, **changed})
    assert status == 400
    assert said in document["errors"][0]["msg"]
