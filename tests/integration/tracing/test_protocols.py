"""OTLP over http/json and over gRPC, and gRPC without `grpcio`."""

from __future__ import annotations

import base64
import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode, TraceFlags
from tracing_collector import dead_port, reply

from devenv.tracing.configuration.resolution import resolve
from devenv.tracing.export import grpc_transport
from devenv.tracing.runtime import Tracing
from devenv.tracing.testing import decode

REMOTE = SpanContext(0xABC, 0xDEF, True, TraceFlags(1))
VALUES: dict[str, Any] = {
    "text": 'ä\n"', "empty": "", "yes": True, "no": False, "int": 7, "negative": -7, "zero": 0, "large": 2**53 + 1,
    "double": 1.5, "nan": float("nan"), "inf": float("-inf"), "bytes": b"\x00\xff", "list": ["a", 1, [True]],
}  # fmt: skip


@pytest.fixture
def trace_to():
    made = []

    def build(endpoint, environ):
        batch = {"schedule_delay_ms": 50}
        settings = resolve({"service_name": "s", "batch": batch, "exporter": {"endpoint": endpoint}}, environ=environ)
        made.append(Tracing(settings))
        return made[-1]

    yield build
    for tracing in made:
        tracing.shutdown(0.2)


def emit(tracing):
    tracer = tracing.tracer("t")
    with tracer.start_as_current_span("a", kind=SpanKind.SERVER, attributes=VALUES, links=[Link(REMOTE)]) as span:
        span.add_event("e", {"n": 1})
        span.set_status(StatusCode.ERROR, "failed")
        tracer.start_span("b").end()


def in_otlp_json(body: bytes) -> dict[str, Any]:
    """What protobuf's own JSON form is, with OTLP's hexadecimal ids."""
    document = MessageToDict(ExportTraceServiceRequest.FromString(body), use_integers_for_enums=True)
    for resource in document["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                for item in (span, *span.get("links", ())):
                    for key in {"traceId", "spanId", "parentSpanId"} & item.keys():
                        item[key] = base64.b64decode(item[key]).hex()
    return document


def test_json_is_sent_as_json(collector, trace_to, monkeypatch):
    encoded = []
    real = sys.modules["devenv.tracing.export.transport"].as_json
    monkeypatch.setattr(
        "devenv.tracing.export.transport.as_json",
        lambda body, *message: (encoded.append(body), real(body, *message))[1],
    )
    answer = b'{"partialSuccess": {"rejectedSpans": "1", "errorMessage": "too long"}}'
    collector.script = [lambda handler: reply(handler, 200, body=answer)]
    tracing = trace_to(f"{collector.url}/v1/traces", {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"})
    emit(tracing)
    tracing.force_flush(5)
    headers, body, path = collector.requests[0]
    assert (headers["Content-Type"], path) == ("application/json", "/v1/traces")
    assert json.loads(body) == in_otlp_json(encoded[0])
    assert [span.name for span in decode(encoded[0])] == ["b", "a"]
    assert (tracing.stats().exported, tracing.stats().failed) == (1, 1)


def test_grpc_without_grpcio_exports_nothing_says_so_once_and_counts(collector, trace_to, monkeypatch, caplog):
    monkeypatch.setattr(grpc_transport, "has_grpc", lambda: False)
    tracing = trace_to(f"{collector.url}/v1/traces", {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc"})
    for _ in range(3):
        emit(tracing)
        assert not tracing.force_flush(5)
    assert collector.requests == []
    assert (tracing.stats().exported, tracing.stats().failed) == (0, 6)
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    (error,) = errors
    assert error.startswith(
        "no span is exported: OTEL_EXPORTER_OTLP_PROTOCOL=grpc needs grpcio, which is not installed"
    )


@pytest.fixture
def receiver():
    """A gRPC server that keeps the requests: (port, bodies, metadata)."""
    if find_spec("grpc") is None:
        pytest.skip("grpcio is not installed")
    import grpc

    bodies, metadata, refusals = [], [], []

    def export(body, context):
        if refusals:
            context.abort(refusals.pop(), "later")
        metadata.append(dict(context.invocation_metadata()))
        bodies.append(body)
        return b""

    class Handler(grpc.GenericRpcHandler):
        def service(self, details):
            assert details.method == "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
            return grpc.unary_unary_rpc_method_handler(export)

    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((Handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield port, bodies, metadata, refusals
    server.stop(None)


def test_grpc_is_spoken_where_grpcio_is_installed(receiver, trace_to):
    import grpc

    port, bodies, metadata, refusals = receiver
    refusals.append(grpc.StatusCode.UNAVAILABLE)
    environ = {
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        "OTEL_EXPORTER_OTLP_HEADERS": "x-key=v",
    }
    tracing = trace_to("http://127.0.0.1:9", environ)
    emit(tracing)
    assert tracing.force_flush(5)
    assert [span.name for span in decode(bodies[0])] == ["b", "a"]
    assert metadata[0]["x-key"] == "v"
    assert (tracing.stats().exported, tracing.stats().failed) == (2, 0)
    refusals.append(grpc.StatusCode.INVALID_ARGUMENT)
    emit(tracing)
    assert not tracing.force_flush(5)
    assert tracing.stats().failed == 2


def test_a_dead_grpc_receiver_does_not_outlast_the_shutdown(trace_to):
    if find_spec("grpc") is None:
        pytest.skip("grpcio is not installed")
    tracing = trace_to(dead_port(), {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})
    emit(tracing)
    done = threading.Event()
    threading.Thread(target=lambda: (tracing.shutdown(0.5), done.set()), daemon=True).start()
    assert done.wait(3)
    assert tracing.stats().exported == 0
