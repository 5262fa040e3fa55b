"""Duration metrics by OTLP: off unless asked for, by the conventions, and told once if they are not accepted."""

from __future__ import annotations

import json
import logging
import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict, Parse
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation
from tracing_collector import dead_port

from devenv.tracing.active import SCHEMA_URL, state
from devenv.tracing.configuration.resolution import resolve
from devenv.tracing.metrics import store
from devenv.tracing.metrics.settings import metric_settings
from devenv.tracing.process import patching
from devenv.tracing.runtime import Tracing

ASKED = {"OTEL_METRICS_EXPORTER": "otlp", "OTEL_SERVICE_NAME": "s"}
REQUEST = ("GET", "http", 200, "/items/{id}", "1.1", None)


def requests(collector) -> list[ExportMetricsServiceRequest]:
    return [
        ExportMetricsServiceRequest.FromString(body) for _, body, path in collector.requests if path == "/v1/metrics"
    ]


def metrics(request) -> dict[str, Any]:
    return {metric.name: metric for scope in request.resource_metrics[0].scope_metrics for metric in scope.metrics}


def values(attributes) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in attributes}


def meter() -> store.Meter:
    assert state.meter is not None
    return state.meter


def test_without_being_asked_nothing_is_measured(collector, set_up):
    tracing = set_up(environ={})
    assert state.meter is None
    assert tracing.force_flush(5)
    assert not requests(collector)


def test_where_the_library_is_switched_off_nothing_is_measured(set_up):
    set_up(environ={**ASKED, "OTEL_SDK_DISABLED": "true"})
    assert state.meter is None


def test_a_second_setup_measures_by_its_own_meter(collector, set_up):
    first = set_up()
    meter().server(REQUEST, 0.1)
    assert first.shutdown(5)
    second = set_up()
    meter().server(REQUEST, 0.2)
    assert second.force_flush(5)
    points = [
        metrics(request)["http.server.request.duration"].histogram.data_points[0] for request in requests(collector)
    ]
    assert [point.sum for point in points] == [0.1, 0.2]


def test_a_histogram_has_the_names_units_buckets_and_attributes_of_the_conventions(collector, set_up):
    tracing = set_up()
    for seconds in (0.003, 0.005, 0.0051, 12.0):
        meter().server(REQUEST, seconds)
    meter().database(("sqlite", "SELECT", *[None] * 8), 0.002)
    assert tracing.force_flush(5)
    (request,) = requests(collector)
    assert values(request.resource_metrics[0].resource.attributes)["service.name"] == "s"
    (scope,) = request.resource_metrics[0].scope_metrics
    assert (scope.scope.name, scope.schema_url) == ("devenv.tracing", SCHEMA_URL)
    found = metrics(request)
    assert set(found) == {"http.server.request.duration", "db.client.operation.duration"}
    server = found["http.server.request.duration"]
    assert (server.unit, server.description) == ("s", "Duration of HTTP server requests.")
    assert server.histogram.aggregation_temporality == 2
    (point,) = server.histogram.data_points
    assert list(point.explicit_bounds) == [
        0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
    ]  # fmt: skip
    assert list(point.bucket_counts) == [2, 1, *[0] * 12, 1]
    assert (point.count, point.sum, point.min, point.max) == (4, pytest.approx(12.0131), 0.003, 12.0)
    assert values(point.attributes) == {
        "http.request.method": "GET",
        "url.scheme": "http",
        "http.response.status_code": 200,
        "http.route": "/items/{id}",
        "network.protocol.version": "1.1",
    }
    assert 1_700_000_000 * 10**9 < point.start_time_unix_nano < point.time_unix_nano
    (statement,) = found["db.client.operation.duration"].histogram.data_points
    assert list(statement.explicit_bounds) == [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10]


@pytest.mark.parametrize(
    ("preference", "counts", "temporality"), [("cumulative", [1, 2], 2), ("Delta", [1, 1], 1), ("lowmemory", [1, 1], 1)]
)
def test_temporality(collector, set_up, preference, counts, temporality):
    tracing = set_up(environ={**ASKED, "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": preference})
    for _ in range(2):
        meter().server(REQUEST, 0.1)
        assert tracing.force_flush(5)
    points = [metrics(request)["http.server.request.duration"].histogram for request in requests(collector)]
    assert [histogram.data_points[0].count for histogram in points] == counts
    assert {histogram.aggregation_temporality for histogram in points} == {temporality}
    starts = [histogram.data_points[0].start_time_unix_nano for histogram in points]
    ends = [histogram.data_points[0].time_unix_nano for histogram in points]
    assert starts[1] == (starts[0] if temporality == 2 else ends[0])


def test_series_above_the_limit_are_one(collector, set_up):
    tracing = set_up()
    for number in range(store.MOST_SERIES + 9):
        meter().server(("GET", "http", 200, f"/{number}", "1.1", None), 0.1)
    meter().server(("GET", "http", 200, "/0", "1.1", None), 0.1)
    assert tracing.force_flush(5)
    points = metrics(requests(collector)[0])["http.server.request.duration"].histogram.data_points
    assert len(points) == store.MOST_SERIES
    overflow = [point for point in points if values(point.attributes) == {"otel.metric.overflow": True}]
    assert [point.count for point in overflow] == [10]
    assert sum(point.count for point in points) == store.MOST_SERIES + 10


def test_json_is_what_protobufs_own_form_is(collector, set_up):
    for protocol in ("http/json", "http/protobuf"):
        tracing = set_up(environ={**ASKED, "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": protocol})
        meter().client(("GET", "shop", 80, None, None, "TimeoutError"), 0.25)
        assert tracing.force_flush(5)
        tracing.shutdown(1)
    sent = [(headers, body) for headers, body, path in collector.requests if path == "/v1/metrics"][::2]
    assert [headers["Content-Type"] for headers, _ in sent] == ["application/json", "application/x-protobuf"]
    written = json.loads(sent[0][1])["resourceMetrics"][0]["scopeMetrics"]
    expected = MessageToDict(ExportMetricsServiceRequest.FromString(sent[1][1]), use_integers_for_enums=True)
    reference = expected["resourceMetrics"][0]["scopeMetrics"]
    for scopes in (written, reference):
        for name in ("startTimeUnixNano", "timeUnixNano"):
            assert scopes[0]["metrics"][0]["histogram"]["dataPoints"][0].pop(name)
    assert written == reference


@pytest.mark.parametrize("signal", ["METRICS", "LOGS"])
def test_grpc_goes_to_the_signals_own_endpoint(signal):
    grpc = pytest.importorskip("grpc", reason="grpcio is not installed")
    got: list[tuple[str, bytes]] = []

    class Handler(grpc.GenericRpcHandler):
        def service(self, details: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(lambda body, _: got.append((details.method, body)) or b"")

    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((Handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    tracing = Tracing(
        resolve(
            None,
            environ={
                f"OTEL_{signal}_EXPORTER": "otlp",
                f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL": "grpc",
                f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT": f"http://127.0.0.1:{port}",
            },
        )
    )
    tracing.install()
    try:
        if signal == "METRICS":
            meter().server(REQUEST, 0.1)
        else:
            logging.getLogger("shop").error("one")
        assert tracing.force_flush(5)
    finally:
        tracing.shutdown(0.5)
        patching.restore_all()
        server.stop(None).wait()
    method, body = got[0]
    if signal == "LOGS":
        assert method == "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
        return
    assert method == "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
    assert set(metrics(ExportMetricsServiceRequest.FromString(body))) == {"http.server.request.duration"}


def sdk_point(numbers: list[float]) -> Any:
    """What the SDK's exponential histogram has of the same numbers."""
    reader = InMemoryMetricReader(preferred_aggregation={Histogram: ExponentialBucketHistogramAggregation()})
    histogram = MeterProvider([reader]).get_meter("m").create_histogram("h")
    for number in numbers:
        histogram.record(number)
    return encode_metrics(reader.get_metrics_data()).resource_metrics[0].scope_metrics[0].metrics[0]


NUMBERS = {
    "one": [0.003],
    "powers": [0.25, 0.5, 1.0, 2.0, 4.0],
    "near": [0.1, 0.1000001, 0.10000001],
    "far": [1e-7, 3.0, 1e5, 0.0, 7e-3],
    "many": [random.Random(seed).lognormvariate(-4, 2) for seed in range(500)],
    "zeros": [0.0, 0.0],
}


@pytest.mark.parametrize("numbers", NUMBERS.values(), ids=NUMBERS)
@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json"])
def test_an_exponential_histogram_is_the_one_of_the_sdk(collector, set_up, numbers, protocol):
    aggregation = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION"
    chosen = {aggregation: "Base2_exponential_bucket_histogram", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": protocol}
    tracing = set_up(environ={**ASKED, **chosen})
    for number in numbers:
        meter().server(REQUEST, number)
    assert tracing.force_flush(5)
    body = next(body for _, body, path in collector.requests if path == "/v1/metrics")
    if protocol == "http/json":
        request = Parse(body, ExportMetricsServiceRequest())
    else:
        request = ExportMetricsServiceRequest.FromString(body)
    found = metrics(request)["http.server.request.duration"].exponential_histogram
    expected = sdk_point(numbers).exponential_histogram
    assert found.aggregation_temporality == expected.aggregation_temporality
    (point,), (reference,) = found.data_points, expected.data_points
    assert len(point.attributes) == 5
    assert point.sum == pytest.approx(reference.sum)
    assert (point.count, point.zero_count, point.min, point.max) == (
        *(reference.count, reference.zero_count, reference.min, reference.max),
    )
    if any(numbers):
        assert (point.scale, point.positive.offset) == (reference.scale, reference.positive.offset)
        counts = list(point.positive.bucket_counts)
        assert [*counts, *[0] * 160][:160] == [*reference.positive.bucket_counts, *[0] * 160][
            :160
        ]  # the SDK's has room
        assert counts[-1]
    assert not point.negative.bucket_counts


def test_metrics_are_delivered_at_each_interval_and_at_the_shutdown(collector, set_up):
    tracing = set_up(environ={**ASKED, "OTEL_METRIC_EXPORT_INTERVAL": "20"})
    meter().server(REQUEST, 0.1)
    collector.wait(lambda: len(requests(collector)) > 1)
    recording = meter()
    recording.server(REQUEST, 0.1)
    assert tracing.shutdown(5)
    assert metrics(requests(collector)[-1])["http.server.request.duration"].histogram.data_points[0].count == 2
    assert state.meter is None


def test_a_forked_child_starts_anew(collector, set_up):
    tracing = set_up()
    meter().server(REQUEST, 0.1)
    child = os.fork()
    if child == 0:
        meter().server(REQUEST, 0.2)
        os._exit(0 if tracing.force_flush(5) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert tracing.force_flush(5)
    points = [
        metrics(request)["http.server.request.duration"].histogram.data_points[0] for request in requests(collector)
    ]
    assert [(point.count, point.sum) for point in points] == [(1, 0.2), (1, 0.1)]


@pytest.mark.parametrize("missing", [True, False], ids=["404", "unreachable"])
def test_a_receiver_that_takes_no_metrics_is_told_once_until_it_takes_some(collector, set_up, caplog, missing):
    collector.script[:] = [404]
    url = collector.url if missing else dead_port()
    tracing = set_up(
        environ={**ASKED, "OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_METRIC_EXPORT_TIMEOUT": "50"},
        exporter={"type": "none"},
    )
    meter().server(REQUEST, 0.1)
    for _ in range(3):
        assert not tracing.force_flush(5)
    (told,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert f"metrics are not delivered to {url}/v1/metrics" in told
    assert ("such as Jaeger" in told) is missing
    assert ("HTTP 404" in told) is missing
    if missing:
        for script in (200, 404):
            collector.script[:] = [script]
            tracing.force_flush(5)
        assert caplog.text.count("metrics are not delivered") == 2


def test_console_writes_a_line_for_each_metric(collector, set_up, capsys):
    tracing = set_up(environ={**ASKED, "OTEL_METRICS_EXPORTER": "console, otlp"})
    meter().server(REQUEST, 0.1)
    assert tracing.force_flush(5)
    line = json.loads(capsys.readouterr().err)
    assert (line["name"], line["histogram"]["dataPoints"][0]["count"]) == ("http.server.request.duration", "1")
    assert len(requests(collector)) == 1


def test_an_unknown_exporter_is_told_by_name(caplog):
    settings = resolve(None, environ={"OTEL_METRICS_EXPORTER": "prometheus"})
    assert settings.metrics_exporter == "none"
    assert "OTEL_METRICS_EXPORTER: ignoring 'prometheus'" in caplog.text


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "http://localhost:4318/v1/metrics"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:1/x/"}, "http://c:1/x/v1/metrics"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:1/v1/traces"}, "http://c:1/v1/metrics"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:1", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://m:2/p"}, "http://m:2/p"),
        ({"OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "m:2",
          "OTEL_EXPORTER_OTLP_METRICS_INSECURE": "true"}, "http://m:2"),
    ],
)  # fmt: skip
def test_endpoint(environ, expected, caplog):
    assert metric_settings(resolve(None, environ={**ASKED, **environ})).export.endpoint == expected
    assert not caplog.records


def test_variables_of_metrics_set_the_metrics_alone():
    given = {
        "OTEL_METRIC_EXPORT_INTERVAL": "7", "OTEL_METRIC_EXPORT_TIMEOUT": "8",
        "OTEL_EXPORTER_OTLP_METRICS_HEADERS": "a=b", "OTEL_EXPORTER_OTLP_METRICS_COMPRESSION": "gzip",
        "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT": "2000",
    }  # fmt: skip
    settings = resolve(None, environ={**ASKED, **given})
    export, delta, exponential = metric_settings(settings)
    assert (export.schedule_delay_ms, export.export_timeout_ms, export.headers) == (7, 8, {"a": "b"})
    assert (export.compression, export.timeout_s, delta, exponential) == ("gzip", 2.0, False, False)
    assert (settings.export_timeout_ms, settings.headers, settings.compression) == (30_000, {}, "none")
    default = metric_settings(resolve(None, environ=ASKED)).export
    assert (default.schedule_delay_ms, default.export_timeout_ms) == (60_000, 30_000)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_METRICS_EXEMPLAR_FILTER", "trace_based"),
        ("OTEL_METRICS_EXEMPLAR_FILTER", "some"),
        ("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "some"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "some"),
        ("OTEL_PYTHON_METER_PROVIDER", "sdk_meter_provider"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "9464"),
    ],
)
def test_what_is_not_done_is_told_by_name(caplog, name, value):
    metric_settings(resolve(None, environ={**ASKED, name: value}))
    (record,) = caplog.records
    assert name in record.getMessage()


@pytest.mark.parametrize("exporter", ["none", "otlp"])
def test_variables_of_metrics_are_told_only_if_no_metrics_are_exported(caplog, exporter):
    metric_settings(resolve(None, environ={"OTEL_METRICS_EXPORTER": exporter, "OTEL_METRIC_EXPORT_INTERVAL": "7"}))
    told = [record.message for record in caplog.records if "OTEL_METRIC_EXPORT_INTERVAL" in record.message]
    assert bool(told) is (exporter == "none")


PROGRAM = """
import multiprocessing, os, sqlite3
connection = sqlite3.connect(":memory:")
connection.execute("CREATE TABLE t (a)")

def work():
    connection.execute("SELECT a FROM t")
    connection.execute("SELECT a FROM t")

if os.fork() == 0:
    work()
else:
    os.wait()
    worker = multiprocessing.get_context("fork").Process(target=work)
    worker.start()
    worker.join()
    print("done")
"""


def test_a_program_with_devenv_run_its_forked_child_and_its_worker(collector):
    environ = {"PATH": "/usr/bin:/bin", "OTEL_METRICS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
    done = subprocess.run(
        [sys.executable, "-m", "devenv.tracing", "--", sys.executable, "-c", PROGRAM],
        env=environ, capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("done\n", "")
    found = []
    for request in requests(collector):
        resource = values(request.resource_metrics[0].resource.attributes)
        points = metrics(request)["db.client.operation.duration"].histogram.data_points
        counts = {values(point.attributes)["db.query.summary"]: point.count for point in points}
        found.append((resource["service.instance.id"], counts))
    assert sorted(str(counts) for _, counts in found) == ["{'CREATE t': 1}", "{'SELECT t': 2}", "{'SELECT t': 2}"]
    assert len({instance for instance, _ in found}) == 3
