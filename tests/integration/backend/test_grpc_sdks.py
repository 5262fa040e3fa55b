"""SDKs that export over gRPC: every span, link, event and attribute is read back equal, in both dialects of Jaeger."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from raw_http import running, until
from trace_sources import DIALECTS

from devenv.backend import Backend
from devenv.model.span import Span
from devenv.orchestrate.agents.catalogue import JAVA, NODE
from devenv.orchestrate.agents.store import AgentStore
from devenv.traces.client import TraceClient

PYTHON = """
import json
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

memory = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(memory))
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
tracer = provider.get_tracer("a.library", "1.2.3")
values = {"text": "größe", "yes": True, "whole": -(2**62), "part": 0.1, "texts": ["a", ""], "flags": [True, False],
          "wholes": [1, 2**53 + 1], "parts": [1.5, -2.25], "empty": [], "long": "x" * 5000}
with tracer.start_as_current_span("root", kind=trace.SpanKind.SERVER, attributes=values) as root:
    for number in range(1000):
        link = trace.Link(trace.SpanContext(2**100 + number, 2**60 + number, True), {"n": number, **values})
        with tracer.start_as_current_span(f"child {number % 7}", kind=trace.SpanKind(number % 5), links=[link]) as span:
            span.add_event("one", {"n": number, "part": number / 3})
            span.set_status(trace.StatusCode(number % 3), "why" if number % 3 == 2 else None)
    try:
        with tracer.start_as_current_span("failing"):
            raise ValueError("wrong")
    except ValueError:
        pass
provider.shutdown()
plain = lambda given: {key: list(value) if isinstance(value, tuple) else value for key, value in (given or {}).items()}
print(json.dumps([[
    f"{span.context.span_id:016x}", f"{span.parent.span_id:016x}" if span.parent else None, span.name, span.kind.value,
    span.start_time, span.end_time, span.status.status_code.value, span.status.description or "",
    plain(span.attributes), [[event.timestamp, event.name, plain(event.attributes)] for event in span.events],
    [[f"{link.context.trace_id:032x}", f"{link.context.span_id:016x}", plain(link.attributes)] for link in span.links],
    plain(span.resource.attributes), span.instrumentation_scope.name, span.instrumentation_scope.version,
] for span in memory.get_finished_spans()]))
"""
NODE_PROGRAM = """
const http = require('http');
const server = http.createServer((request, response) => response.end('ok')).listen(0, async () => {
  await (await fetch(`http://127.0.0.1:${server.address().port}/x?y=1`)).text();
  process.stdin.on('end', () => process.exit()).resume();
});
"""
JAVA_PROGRAM = """
import com.sun.net.httpserver.HttpServer;
import java.net.*;
import java.net.http.*;

public class App {
    public static void main(String[] arguments) throws Exception {
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        server.createContext("/x", exchange -> { exchange.sendResponseHeaders(204, -1); exchange.close(); });
        server.start();
        URI address = URI.create("http://127.0.0.1:" + server.getAddress().getPort() + "/x?y=1");
        HttpClient.newHttpClient().send(HttpRequest.newBuilder(address).build(), HttpResponse.BodyHandlers.ofString());
        System.in.read();
        System.exit(0);
    }
}
"""
# What differs between two runs of a program.
_OF_A_RUN = ("port", "process.", "url.full", "thread.", "host.", "telemetry.distro", "service.instance")


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    async with running(grpc_port=0) as found:
        yield found


async def run(*command: str, arrived: Callable[[], Awaitable[None]] | None = None, **settings: str) -> str:
    """A program with only these variables for its SDK; its stdin ends when its spans have arrived."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "NODE_", "JAVA_"))}
    environment = {**inherited, "OTEL_SERVICE_NAME": "web", "OTEL_BSP_SCHEDULE_DELAY": "100", **settings}
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(120):
        if arrived is not None:
            await arrived()
        told, _ = await process.communicate(b"")  # the program ends with its stdin
    return told.decode()


async def read(backend: Backend, dialect: str, trace: str) -> tuple[Span, ...]:
    async with TraceClient(f"http://127.0.0.1:{backend.query_port}") as client:
        client._found = DIALECTS[dialect]
        found = await client.trace(trace)
    assert found is not None
    return found.spans


def as_row(span: Span) -> list[Any]:
    return [
        span.span_id,
        span.parent_id,
        span.name,
        span.kind.value - 1,  # the SDK counts from 0
        span.start_ns,
        span.end_ns,
        span.status.value,
        span.status_message,
        dict(span.attributes),
        [[event.time_ns, event.name, dict(event.attributes)] for event in span.events],
        [[link.trace_id, link.span_id, dict(link.attributes)] for link in span.links],
        dict(span.resource),
        span.scope,
        span.scope_version,
    ]


@pytest.mark.parametrize("settings", [{}, {"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"}], ids=["plain", "gzip"])
async def test_python(backend: Backend, settings: dict[str, str]) -> None:
    endpoint = f"http://localhost:{backend.grpc_port}"
    told = await run(sys.executable, "-c", PYTHON, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, **settings)
    expected = sorted(json.loads(told))
    assert len(expected) == 1002
    (trace,) = backend.store.traces
    assert sorted(map(as_row, await read(backend, "embedded v3", trace.hex()))) == expected
    # The legacy dialect has microseconds, and no names for kinds and links' attributes that it does not know.
    legacy = {span.span_id: span for span in await read(backend, "embedded legacy", trace.hex())}
    for row in expected:
        span = legacy[row[0]]
        assert [span.parent_id, span.name, span.start_ns // 1000] == [row[1], row[2], row[4] // 1000]
        assert [each.name for each in span.events] == [each[1] for each in row[9]]
        assert [[each.trace_id, each.span_id] for each in span.links] == [each[:2] for each in row[10]]
        for key in ("text", "yes", "whole", "long"):
            assert span.attributes.get(key) == row[8].get(key)


def of_a_program(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if not any(part in key for part in _OF_A_RUN)}


def shapes(spans: tuple[Span, ...]) -> list[Any]:
    return sorted(
        ([span.name, span.kind.value, of_a_program(span.attributes), of_a_program(span.resource)] for span in spans),
        key=lambda each: each[1],
    )


async def shapes_over(protocol: str, backend: Backend, *command: str, **settings: str) -> list[Any]:
    """The spans of a program with one request to itself."""
    known = set(backend.store.traces)
    port = backend.grpc_port if protocol == "grpc" else backend.otlp_port

    async def arrived() -> None:
        await until(
            lambda: sum(trace.spans for key, trace in backend.store.traces.items() if key not in known) == 2, seconds=90
        )

    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://localhost:{port}", "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
    none = {"OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
    await run(*command, arrived=arrived, **none, **endpoint, **settings)
    (trace,) = set(backend.store.traces) - known
    return shapes(await read(backend, "embedded v3", trace.hex()))


@pytest.mark.node
async def test_node(backend: Backend, node_agent: Path, tmp_path: Path) -> None:
    agent = AgentStore(node_agent).find(NODE)
    assert agent is not None
    program = tmp_path / "app.js"
    program.write_text(NODE_PROGRAM)
    command = ("node", "--require", str(agent.entry), str(program))
    found = [
        await shapes_over(protocol, backend, *command, OTEL_TRACES_EXPORTER="otlp")
        for protocol in ("grpc", "http/protobuf")
    ]
    assert len(found[0]) == 2
    assert found[0] == found[1]


@pytest.mark.slow
@pytest.mark.java
async def test_java(backend: Backend, java_agent: Path, tmp_path: Path) -> None:
    agent = AgentStore(java_agent).find(JAVA)
    assert agent is not None
    program = tmp_path / "App.java"
    program.write_text(JAVA_PROGRAM)
    command = ("java", f"-javaagent:{agent.entry}", str(program))
    server, client = await shapes_over("grpc", backend, *command, OTEL_JAVAAGENT_ENABLED="true")
    assert (server[0], client[0]) == ("GET /x", "GET")
    assert (server[2]["url.path"], server[2]["url.query"]) == ("/x", "y=1")
    assert server[2]["http.response.status_code"] == client[2]["http.response.status_code"] == 204
    assert server[3]["telemetry.sdk.language"] == "java"
