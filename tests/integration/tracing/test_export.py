"""The real exporter against collectors that are well, slow, dead, resetting or overloaded, on loopback."""

from __future__ import annotations

import socket
import threading
import time
import tracemalloc
from http.server import ThreadingHTTPServer

import pytest
from tracing_collector import Collector, dead_port, reply, reset

from devenv.tracing.configuration.resolution import resolve
from devenv.tracing.errors import ConfigError
from devenv.tracing.export.transport import Transport
from devenv.tracing.runtime import Tracing
from devenv.tracing.testing import decode


@pytest.fixture
def trace_to():
    """Builds a Tracing towards a URL, not installed; shut down at the end."""
    made = []

    def build(url, environ=None, **config):
        batch = {"schedule_delay_ms": 50, **config.pop("batch", {})}
        exporter = {"endpoint": f"{url}/v1/traces", **config.pop("exporter", {})}
        settings = resolve({"service_name": "s", "batch": batch, "exporter": exporter, **config}, environ=environ or {})
        made.append(Tracing(settings))
        return made[-1]

    yield build
    for tracing in made:
        tracing.shutdown(0.2)


def emit(tracing, count, name="s"):
    tracer = tracing.tracer("t")
    for number in range(count):
        tracer.start_span(name, attributes={"n": number}).end()


@pytest.mark.parametrize("provider", ["light", "sdk"])
def test_spans_arrive_by_the_schedule_over_one_connection(collector, trace_to, provider):
    tracing = trace_to(collector.url, provider=provider, exporter={"headers": {"x-key": "v"}})
    for _ in range(3):
        emit(tracing, 5)
        before = len(collector.requests)
        collector.wait(lambda before=before: len(collector.requests) > before)
    assert tracing.force_flush(5)
    spans = collector.spans()
    assert len(spans) == 15
    assert spans[0].resource["service.name"] == "s"
    headers, _, path = collector.requests[0]
    assert (headers["Content-Type"], headers["x-key"], path) == ("application/x-protobuf", "v", "/v1/traces")
    assert len(collector.connections) == 1
    stats = tracing.stats()
    assert (stats.exported, stats.dropped, stats.failed, stats.queued) == (15, 0, 0, 0)
    assert stats.batches == len(collector.requests)


def test_gzip(collector, trace_to):
    tracing = trace_to(collector.url, exporter={"compression": "gzip"})
    emit(tracing, 10)
    assert tracing.force_flush(5)
    assert len(collector.spans()) == 10
    assert collector.requests[0][0]["Content-Encoding"] == "gzip"


def test_batches_under_load_hold_at_least_100_spans(collector, trace_to):
    tracing = trace_to(collector.url, batch={"max_export_batch_size": 128, "schedule_delay_ms": 60_000})
    for _ in range(10):
        emit(tracing, 128)
        collector.wait(lambda: True)
        deadline = time.monotonic() + 5
        while tracing.stats().queued > 128 and time.monotonic() < deadline:
            time.sleep(0.001)
    assert tracing.force_flush(5)
    sizes = [len(decode(body)) for _, body, _ in collector.requests]
    assert sum(sizes) == 1280
    assert sorted(sizes)[1:] == [128] * (len(sizes) - 1)
    assert min(sizes) >= 100


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_overload_is_retried_and_nothing_is_lost(collector, trace_to, status):
    collector.script = [lambda handler: reply(handler, status, [("Retry-After", "0")]), status, 200]
    tracing = trace_to(collector.url)
    emit(tracing, 7)
    assert tracing.force_flush(5)
    assert len(collector.requests) == 3
    assert len({body for _, body, _ in collector.requests}) == 1
    assert (tracing.stats().exported, tracing.stats().failed) == (7, 0)


def test_retry_after_is_honoured_within_the_export_timeout(collector, trace_to):
    collector.script = [lambda handler: reply(handler, 503, [("Retry-After", "1")]), 200]
    tracing = trace_to(collector.url)
    started = time.monotonic()
    emit(tracing, 1)
    assert tracing.force_flush(5)
    assert time.monotonic() - started >= 1.0
    collector.script = [lambda handler: reply(handler, 503, [("Retry-After", "3600")])]
    emit(tracing, 1)
    started = time.monotonic()
    assert not tracing.force_flush(5)
    assert time.monotonic() - started < 2
    assert (tracing.stats().exported, tracing.stats().failed) == (1, 1)


@pytest.mark.parametrize("status", [400, 401, 404, 413, 500])
def test_what_will_not_get_better_is_counted_at_once(collector, trace_to, status, caplog):
    collector.script = [status]
    tracing = trace_to(collector.url)
    emit(tracing, 3)
    assert not tracing.force_flush(5)
    assert len(collector.requests) == 1
    assert (tracing.stats().exported, tracing.stats().failed, tracing.stats().batches) == (0, 3, 0)
    assert f"HTTP {status}" in caplog.text
    assert tracing.settings.endpoint in caplog.text


@pytest.mark.parametrize(("path", "hinted"), [("", True), ("/", True), ("/v1/traces", False), ("/v1", False)])
def test_an_endpoint_without_a_path_is_told_what_it_wants(collector, trace_to, caplog, path, hinted):
    collector.script = [404]
    tracing = trace_to(collector.url, exporter={"endpoint": collector.url + path})
    emit(tracing, 3)
    assert not tracing.force_flush(5)
    (warning,) = warnings(caplog)
    assert "HTTP 404" in warning
    assert ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT must end in /v1/traces" in warning) is hinted


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def until(condition, timeout=5.0):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_first_failure_is_said_at_once_and_once(trace_to, caplog):
    url = dead_port()
    tracing = trace_to(url)  # gives up after 30 s only
    emit(tracing, 3)
    until(lambda: warnings(caplog), timeout=3.0)
    assert not tracing.force_flush(1.0)  # time for the next attempts
    (warning,) = warnings(caplog)
    assert warning.startswith(f"export failed: 3 spans not delivered to {url}/v1/traces (ConnectionRefusedError: ")
    assert warning.endswith("; retrying for up to 30 s")
    assert tracing.stats().failed == 0
    tracing.shutdown(0.5)
    assert [text.partition(":")[0] for text in warnings(caplog)] == ["export failed", "spans lost"]


def test_what_ends_at_once_does_not_say_that_it_waits(trace_to, caplog):
    tracing = trace_to(dead_port(), batch={"schedule_delay_ms": 60_000})
    emit(tracing, 3)
    tracing.shutdown(2)
    assert [text.partition(":")[0] for text in warnings(caplog)] == ["spans lost"]


def test_overload_is_said_with_its_status(collector, trace_to, caplog):
    collector.script = [503, 200]
    tracing = trace_to(collector.url)
    emit(tracing, 1)
    assert tracing.force_flush(5)
    (warning,) = warnings(caplog)
    assert "(HTTP 503)" in warning


def test_partial_success_is_counted(collector, trace_to):
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = 2
    answer.partial_success.error_message = "too old"
    collector.script = [lambda handler: reply(handler, 200, body=answer.SerializeToString())]
    tracing = trace_to(collector.url)
    emit(tracing, 5)
    assert not tracing.force_flush(5)
    assert (tracing.stats().exported, tracing.stats().failed) == (3, 2)


def test_an_answer_that_is_not_otlp_is_taken_by_its_status(collector, trace_to):
    collector.script = [lambda handler: reply(handler, 200, body=b"<html>\xff\xff ok")]
    tracing = trace_to(collector.url)
    emit(tracing, 5)
    assert tracing.force_flush(5)
    assert tracing.stats().exported == 5


def test_resets_are_retried_on_a_new_connection(collector, trace_to):
    collector.script = [reset, reset, reset, 200]
    tracing = trace_to(collector.url)
    emit(tracing, 4)
    assert tracing.force_flush(10)
    assert (tracing.stats().exported, tracing.stats().failed) == (4, 0)


def test_a_kept_connection_that_the_collector_closed_costs_nothing(collector, trace_to):
    def last(handler):
        handler.close_connection = True
        reply(handler, 200)

    collector.script = [last]
    tracing = trace_to(collector.url)
    for _ in range(3):
        emit(tracing, 2)
        assert tracing.force_flush(5)
    assert (tracing.stats().exported, len(collector.requests)) == (6, 3)


def ending_takes(tracing, count=20_000):
    """Seconds that spans take from start to end on the request's path: half of them at most, and 99.9 % at most."""
    tracer = tracing.tracer("t")
    took = []
    for _ in range(count):
        before = time.perf_counter()
        tracer.start_span("s", attributes={"a": 1}).end()
        took.append(time.perf_counter() - before)
    took.sort()
    return took[count // 2], took[-count // 1000]


@pytest.mark.parametrize("kind", ["dead", "black hole", "slow", "resetting", 429, 503])
def test_a_bad_collector_slows_no_span_and_memory_stays_bounded(collector, trace_to, kind):
    stop = threading.Event()
    url = collector.url
    hole = None
    if kind == "dead":
        url = dead_port()
    elif kind == "black hole":
        hole = socket.create_server(("127.0.0.1", 0), backlog=1)  # accepts in the kernel, never answers
        url = f"http://127.0.0.1:{hole.getsockname()[1]}"
    else:
        collector.script = [{"slow": lambda handler: stop.wait(20), "resetting": reset}.get(kind, kind)]
    tracing = trace_to(url, batch={"max_queue_size": 1000, "export_timeout_ms": 60_000})
    ending_takes(tracing, 3000)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    median_s, most_s = ending_takes(tracing)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    stats = tracing.stats()
    started = time.monotonic()
    tracing.shutdown(0.5)
    assert time.monotonic() - started < 2
    stop.set()
    if hole is not None:
        hole.close()
    assert median_s < 0.0005
    assert most_s < 0.05  # a machine that is busy with other tests stops every thread now and then
    assert grown < 1000 * 2048
    assert stats.exported == 0
    assert stats.dropped > 20_000
    assert stats.dropped + stats.queued + stats.failed == 23_000


def test_recovery_after_the_collector_was_dead(trace_to):
    late = Collector()
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    tracing = trace_to(f"http://127.0.0.1:{port}")
    emit(tracing, 3, "early")
    deadline = time.monotonic() + 5
    while tracing.stats().queued == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    original = ThreadingHTTPServer.__init__
    try:
        ThreadingHTTPServer.__init__ = lambda self, _address, handler: original(self, ("127.0.0.1", port), handler)
        late.start()
    finally:
        ThreadingHTTPServer.__init__ = original
    assert tracing.force_flush(10)
    assert [span.name for span in late.spans()] == ["early"] * 3
    late.stop()


def test_a_wrong_header_is_refused_at_the_start(collector, trace_to):
    with pytest.raises(ConfigError, match="without control characters"):
        trace_to(collector.url, exporter={"headers": {"bad": "a\nb"}})


def test_a_fault_of_the_sender_does_not_kill_the_thread(collector, trace_to, caplog, monkeypatch):
    tracing = trace_to(collector.url)
    monkeypatch.setattr(Transport, "_post", lambda *_: 1 / 0)
    emit(tracing, 2)
    assert not tracing.force_flush(5)
    emit(tracing, 2)
    assert not tracing.force_flush(5)
    assert tracing.stats().failed == 4
    assert "export failed" in caplog.text


def test_a_span_that_cannot_be_encoded_costs_no_other(collector, trace_to):
    tracing = trace_to(collector.url)
    emit(tracing, 1)
    bad = tracing.tracer("t").start_span("bad")
    bad.kind = "neither server nor client"  # beyond repair
    bad.end()
    assert not tracing.force_flush(5)
    assert [span.name for span in collector.spans()] == ["s"]
    assert (tracing.stats().exported, tracing.stats().failed) == (1, 1)
