"""Programs with an SDK's own defaults, and no variable about where to send: `devenv view` has their spans."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from devenv_cli import find_trace
from sdks import spans

from devenv.orchestrate.agents.catalogue import JAVA, NODE
from devenv.orchestrate.agents.store import AgentStore

QUERY = "http://127.0.0.1:16686"
HERE = Path(spans.__file__).parent
# Python's exporters of gRPC send to port 4317 by default, those of Node's and Java's agents over HTTP to port 4318.
PYTHON = """
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
import logging
tracing, logs = TracerProvider(), LoggerProvider()
metrics = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())])
tracing.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
logging.getLogger().addHandler(LoggingHandler(logger_provider=logs))
with tracing.get_tracer("t").start_as_current_span("by default") as span:
    logging.warning("said by default")
    metrics.get_meter("t").create_counter("by.default").add(7)
for provider in (tracing, logs, metrics):
    provider.shutdown()
print(f"{span.get_span_context().trace_id:032x}")
"""


def get(path: str) -> dict[str, object]:
    with urllib.request.urlopen(QUERY + path, timeout=10) as answer:
        found: dict[str, object] = json.load(answer)
        return found


@pytest.fixture(scope="module")
def view() -> Iterator[None]:
    """`devenv view` at its own ports, which are the SDKs'."""
    command = [sys.executable, "-m", "devenv", "--json", "view"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert json.loads(process.stdout.readline())["otlp_grpc_url"].endswith(":4317")
            yield
        finally:
            process.kill()


def run(*command: str | Path, **settings: str) -> str:
    """A program without any variable of OpenTelemetry but these; what it prints."""
    unwanted = ("OTEL_", "NODE_", "JAVA_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    done = subprocess.run(command, env={**inherited, **settings}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def arrived(trace: str) -> set[str]:
    """The names of the spans of a trace, as soon as it is there."""
    deadline = time.monotonic() + 20
    while (found := find_trace(QUERY, trace)) is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return {span["operationName"] for span in found["spans"]}


def roots_of(service: str) -> list[str]:
    """The traces of the service's spans called `root`, as soon as there is one: all programs make the same trace."""
    deadline = time.monotonic() + 20
    path = f"/api/traces?service={service}&operation=root&start=1&end={time.time_ns() // 1000}"
    while not (found := get(path)["data"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return [trace["traceID"] for trace in found]  # type: ignore[attr-defined]


def test_python_over_grpc_with_logs_and_metrics(view: None) -> None:
    trace = run(sys.executable, "-c", PYTHON, OTEL_SERVICE_NAME="python").strip()
    assert arrived(trace) == {"by default"}
    (record,) = get(f"/api/devenv/logs?traceID={trace}")["records"]  # type: ignore[misc]
    assert (record["text"], record["severity"], record["service"]) == ("said by default", "WARN", "python")
    (series,) = get("/api/devenv/metrics?service=python")["series"]  # type: ignore[misc]
    assert (series["name"], series["value"]) == ("by.default", 7)


@pytest.mark.parametrize(
    "language", [pytest.param(name, marks=getattr(pytest.mark, name)) for name in ("node", "java", "go")]
)
def test_spans_of_other_languages(view: None, request: pytest.FixtureRequest, tmp_path: Path, language: str) -> None:
    """Go's exporters send by TLS by default: `insecure` is set for them, and nothing else, over gRPC and HTTP."""
    if language == "go":
        program = request.getfixturevalue("go_spans")
        for name, protocol in (("go", "grpc"), ("go-http", "http/protobuf")):
            settings = {"OTEL_EXPORTER_OTLP_PROTOCOL": protocol, "OTEL_EXPORTER_OTLP_INSECURE": "true"}
            run(program, OTEL_SERVICE_NAME=name, **settings)
    else:
        agent = AgentStore(request.getfixturevalue(f"{language}_agent")).find(NODE if language == "node" else JAVA)
        assert agent is not None
        if language == "node":
            run("node", "--require", agent.entry, HERE / "spans.js", OTEL_SERVICE_NAME=language)
        else:
            if shutil.which("javac") is None:
                pytest.skip("there is no javac: Debian's package is default-jdk-headless")
            quick = "-XX:TieredStopAtLevel=1"
            run("javac", f"-J{quick}", "-encoding", "UTF-8", "-cp", agent.entry, "-d", tmp_path, HERE / "Spans.java")
            run("java", quick, f"-javaagent:{agent.entry}", "-cp", tmp_path, "Spans", OTEL_SERVICE_NAME=language)
    for service in ("go", "go-http") if language == "go" else (language,):
        assert roots_of(service) == [spans.TRACE]
