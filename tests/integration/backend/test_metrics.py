"""Metrics of real SDKs, over HTTP and gRPC: what the program counted is what the backend shows."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from embedded.metric_build import gauge, metrics_request, number, resource_metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from otlp_build import MS, SECOND, make_span, one, trace_id
from raw_http import running
from traced_programs import clean

from devenv.backend import Backend
from devenv.backend.metrics.store import MAX_SERIES
from devenv.traces.client import TraceClient

JSON, PROTOBUF = "application/json", "application/x-protobuf"
STOCK = """
import importlib, sys, time
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View

kind, temporality = sys.argv[1:]
module = importlib.import_module(f"opentelemetry.exporter.otlp.proto.{kind}.metric_exporter")
temporality = AggregationTemporality[temporality]
exporter = module.OTLPMetricExporter(preferred_temporality={Counter: temporality, Histogram: temporality})
view = View(instrument_name="exponential", aggregation=ExponentialBucketHistogramAggregation())
provider = MeterProvider([PeriodicExportingMetricReader(exporter, 10**7)], views=[view])
meter = provider.get_meter("a.library", "1")
counter, updown = meter.create_counter("count", "By", "Bytes."), meter.create_up_down_counter("updown")
explicit = meter.create_histogram("explicit", "s", explicit_bucket_boundaries_advisory=[1, 2, 5])
exponential = meter.create_histogram("exponential", "s")
gauge = meter.create_gauge("gauge")
for step in range(2):
    for number in range(50):
        counter.add(2, {"k": "a"})
        counter.add(1, {"k": "b"})
        updown.add(-1)
        explicit.record(number / 10)
        exponential.record(number / 10)
    gauge.set(0.5 + step)
    provider.force_flush()
provider.shutdown()
"""
OWN = """
import sqlite3
connection = sqlite3.connect(":memory:")
for number in range(20):
    connection.execute("select 1").fetchall()
"""


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    async with running(grpc_port=0) as found:
        yield found


async def run(*command: str, **settings: str) -> None:
    process = await asyncio.create_subprocess_exec(*command, env=clean(**settings))
    async with asyncio.timeout(60):
        assert await process.wait() == 0


async def metrics(backend: Backend, service: str | None = None) -> dict[str, Any]:
    async with TraceClient(f"http://127.0.0.1:{backend.query_port}") as client:
        found = await client.metrics(service)
    assert found is not None
    return found


@pytest.mark.parametrize(("kind", "temporality"), [("http", "CUMULATIVE"), ("grpc", "CUMULATIVE"), ("http", "DELTA")])
async def test_the_stock_sdk(backend: Backend, kind: str, temporality: str) -> None:
    port = backend.otlp_port if kind == "http" else backend.grpc_port
    await run(
        sys.executable, "-c", STOCK, kind, temporality,
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://localhost:{port}", OTEL_SERVICE_NAME="stock",
        OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
    )  # fmt: skip
    found = await metrics(backend)
    assert found["surplus"]["refused"] == {}
    by_name = {(each["name"], *each["attributes"].values()): each for each in found["series"]}
    assert {each["service"] for each in found["series"]} == {"stock"}
    assert {each["scope"] for each in found["series"]} == {"a.library"}
    assert by_name["count", "a"]["value"] == 200
    assert by_name["count", "b"]["value"] == 100
    assert 1.5 < by_name["count", "a"]["rate"] / by_name["count", "b"]["rate"] < 2.5  # each began with its first value
    assert by_name["count", "a"]["unit"] == "By"
    assert (by_name[("updown",)]["value"], by_name[("updown",)]["rate"]) == (-100, None)
    assert by_name[("gauge",)]["value"] == 1.5
    for name in ("explicit", "exponential"):
        series = by_name[(name,)]
        assert (series["count"], series["sum"]) == (100, pytest.approx(245.0))
        assert series["mean"] == pytest.approx(2.45)
        # The values are 0, 0.1, … 4.9, twice each.
        assert series["percentiles"]["p50"] == pytest.approx(2.4, rel=0.1), name
        assert series["percentiles"]["p95"] == pytest.approx(4.7, rel=0.1), name


async def test_devenvs_own_library(backend: Backend) -> None:
    await run(
        sys.executable, "-m", "devenv.tracing", "--", sys.executable, "-c", OWN,
        OTEL_METRICS_EXPORTER="otlp", OTEL_SERVICE_NAME="own",
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{backend.otlp_port}",
    )  # fmt: skip
    found = await metrics(backend, "own")
    (series,) = found["series"]
    assert (series["name"], series["kind"], series["unit"]) == ("db.client.operation.duration", "histogram", "s")
    assert series["count"] == 20
    assert series["percentiles"]["p99"] is not None
    assert (await metrics(backend, "other"))["series"] == []


async def test_a_partial_success_in_json(backend: Backend) -> None:
    body = {
        "resourceMetrics": [
            {
                "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "web"}}]},
                "scopeMetrics": [
                    {
                        "metrics": [
                            {"name": "good", "gauge": {"dataPoints": [{"asInt": "5", "timeUnixNano": "1"}]}},
                            {"name": "bad", "sum": {"dataPoints": [{"asDouble": 1.5, "timeUnixNano": "1"}]}},
                        ]
                    }
                ],
            }
        ]
    }
    status, answer = await post(backend, json.dumps(body).encode(), JSON)
    assert status == 200
    assert answer["partialSuccess"]["rejectedDataPoints"] == "1"
    assert "temporality" in answer["partialSuccess"]["errorMessage"]
    found = await metrics(backend)
    assert [(each["name"], each["value"]) for each in found["series"]] == [("good", 5)]
    assert found["surplus"]["refused"] == {"neither delta nor cumulative temporality": 1}
    status, answer = await post(backend, b'{"resourceMetrics": [{"scopeMetrics": 5}]}', JSON)
    assert (status, answer["code"]) == (400, 3)
    stats = backend.stats()
    assert (stats["posts"]["metrics"], stats["metrics"]["series"], stats["metrics"]["points_refused"]) == (2, 1, 1)


async def post(backend: Backend, body: bytes, content_type: str) -> tuple[int, Any]:
    async with httpx.AsyncClient(trust_env=False) as client:
        url = f"http://127.0.0.1:{backend.otlp_port}/v1/metrics"
        response = await client.post(url, content=body, headers={"Content-Type": content_type})
    return response.status_code, response.json() if content_type == JSON else response.content


async def test_more_series_than_are_kept(backend: Backend) -> None:
    """A large body, in turns with others: the surplus is refused, and the client is told how much."""
    loud = [gauge(*(number(1, 0, k=first + n) for n in range(500))) for first in range(0, MAX_SERIES + 1000, 500)]
    status, answer = await post(backend, metrics_request(resource_metrics("loud", *loud)), PROTOBUF)
    assert status == 200
    told = ExportMetricsServiceResponse.FromString(answer).partial_success
    assert told.rejected_data_points == 1000
    assert "more series than the backend keeps" in told.error_message
    quiet = metrics_request(resource_metrics("quiet", gauge(number(1, 0), number(1, 0, k=1))))
    assert await post(backend, quiet, PROTOBUF) == (200, b"")
    found = await metrics(backend, "quiet")
    assert len(found["series"]) == 2
    assert (found["kept"], found["limit"]) == (MAX_SERIES, MAX_SERIES)
    assert found["surplus"] == {
        "series": 1000,
        "more_series": False,
        "points": {"loud": 1000},
        "evicted": 2,
        "refused": {"more series than the backend keeps": 1000},
    }
    assert len((await metrics(backend))["series"]) == MAX_SERIES


async def test_figures_from_spans(backend: Backend) -> None:
    start = time.time_ns() - 20 * SECOND
    spans = [
        make_span(trace_id(), kind=2, start=start, took=(place + 1) * MS, status=2 * (place == 5))
        for place in range(60)
    ]
    async with httpx.AsyncClient(trust_env=False) as client:
        url = f"http://127.0.0.1:{backend.otlp_port}/v1/traces"
        await client.post(url, content=one("web", *spans), headers={"Content-Type": PROTOBUF})
    (found,) = (await metrics(backend))["spans"]
    assert (found["service"], found["calls"], found["errors"]) == ("web", 60, 1)
    assert (found["p50_ms"], found["p95_ms"], found["p99_ms"]) == (30.0, 57.0, None)
    assert found["rate"] == pytest.approx(60 / found["seconds"], rel=0.01)
    assert 19 < found["seconds"] < 40
