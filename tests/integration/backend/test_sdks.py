"""SDKs of four languages with each protocol that they offer: every span, link, event and attribute is read back equal.

So is what devenv's own library makes with the program for Python's SDK.

A program of each language makes the same spans. The answers of both dialects are compared with what it made, those of
the embedded backend and those of a real Jaeger.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from raw_http import running
from sdks import spans
from trace_sources import DIALECTS

from devenv.model.span import Span
from devenv.orchestrate.agents.catalogue import JAVA, NODE
from devenv.orchestrate.agents.store import AgentStore
from devenv.traces.client import TraceClient

HERE = Path(spans.__file__).parent
SETTINGS = {
    "OTEL_SERVICE_NAME": "größe",
    "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test,a.b=c d,none=",
    "OTEL_TRACES_EXPORTER": "otlp",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
    "OTEL_NODE_RESOURCE_DETECTORS": "env",
    # Java's agent without what it adds to spans, and without instrumentation, which takes longest to start.
    "OTEL_INSTRUMENTATION_COMMON_DEFAULT_ENABLED": "false",
    "OTEL_JAVAAGENT_ADD_THREAD_DETAILS": "false",
}
PROTOCOLS = ("grpc", "http/protobuf", "http/json")
SAYS = {"node": "nodejs", "devenv": "python"}
OFFERED = {"node": PROTOCOLS, "devenv": ("http/protobuf",)}
CASES = [
    pytest.param(language, protocol, marks=getattr(pytest.mark, language) if language in {"node", "java", "go"} else ())
    for language in ("python", "devenv", "node", "java", "go")
    for protocol in OFFERED.get(language, PROTOCOLS[:2])
]


@dataclass
class Server:
    """Where spans go, and where they are read."""

    kind: str
    http: str
    grpc: str
    query: str

    async def spans(self, dialect: str, count: int) -> dict[str, Span]:
        """The spans of the trace by name, once there are so many."""
        async with TraceClient(self.query) as client, asyncio.timeout(20):
            client._found = DIALECTS[f"{self.kind} {dialect}"]
            while True:
                found = await client.trace(spans.TRACE)
                if found is not None and len(found.spans) >= count:
                    return {span.name: span for span in found.spans}
                await asyncio.sleep(0.05)


@pytest.fixture(params=["embedded", pytest.param("jaeger", marks=pytest.mark.jaeger)])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """One that has not seen the trace: all programs make the same."""
    if request.param == "embedded":
        async with running(grpc_port=0) as backend:
            urls = (f"http://127.0.0.1:{port}" for port in (backend.otlp_port, backend.grpc_port, backend.query_port))
            yield Server("embedded", *urls)
    else:
        jaeger = request.getfixturevalue("jaeger_factory")()
        yield Server("jaeger", jaeger.otlp_url, f"http://{jaeger.otlp_grpc}", jaeger.query_url)
        os.kill(jaeger.pid, 15)


@pytest.fixture(scope="session")
def java_classes(java_agent: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    agent = AgentStore(java_agent).find(JAVA)
    assert agent is not None
    if shutil.which("javac") is None:
        pytest.skip("there is no javac: Debian's package is default-jdk-headless")
    folder = tmp_path_factory.mktemp("classes")
    subprocess.run(
        ["javac", "-encoding", "UTF-8", "-cp", str(agent.entry), "-d", str(folder), str(HERE / "Spans.java")],
        check=True,
    )
    return folder


def command(language: str, request: pytest.FixtureRequest) -> list[str]:
    if language in {"python", "devenv"}:
        return [sys.executable, str(HERE / "spans_of_python.py"), language]
    if language == "go":
        return [str(request.getfixturevalue("go_spans"))]
    kind = NODE if language == "node" else JAVA
    agent = AgentStore(request.getfixturevalue(f"{language}_agent")).find(kind)
    assert agent is not None
    if language == "node":
        return ["node", "--require", str(agent.entry), str(HERE / "spans.js")]
    classes = request.getfixturevalue("java_classes")
    return ["java", "-XX:TieredStopAtLevel=1", f"-javaagent:{agent.entry}", "-cp", str(classes), "Spans"]


async def made(command: list[str], protocol: str, server: Server) -> dict[str, str]:
    """Run a program; what it printed."""
    unwanted = ("OTEL_", "NODE_", "JAVA_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    endpoint = server.grpc if protocol == "grpc" else server.http
    more = {"OTEL_EXPORTER_OTLP_PROTOCOL": protocol, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command, env={**inherited, **SETTINGS, **more}, stdout=pipe, stderr=pipe
    )
    output, errors = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0, errors.decode()
    ids: dict[str, str] = json.loads(output)
    return ids


@pytest.mark.parametrize(("language", "protocol"), CASES)
async def test_what_an_sdk_sends_is_read_back(
    request: pytest.FixtureRequest, server: Server, language: str, protocol: str
) -> None:
    ids = await made(command(language, request), protocol, server)
    expected = spans.expected(language, ids)
    for dialect in ("v3", "legacy"):
        found = await server.spans(dialect, len(expected))
        assert found.keys() == expected.keys()
        for name, span in expected.items():
            # An SDK adds attributes of the process to the resource.
            resource = {key: found[name].resource.get(key) for key in spans.resource(language)}
            assert found[name].resource.get("telemetry.sdk.language") == SAYS.get(language, language)
            wanted = span if dialect == "v3" else spans.in_legacy(span)
            assert spans.exact(spans.with_resource(found[name], resource)) == spans.exact(wanted), dialect
    # The exporters of the SDKs of Python and Go leave the trace state of a link out.
    assert await states_of_links(server) == ["l=1" if language in {"node", "java", "devenv"} else "", ""]


async def states_of_links(server: Server) -> list[str]:
    """Of the span with links, which the model of a span leaves out."""
    async with httpx.AsyncClient() as client:
        answer: Any = (await client.get(f"{server.query}/api/v3/traces/{spans.TRACE}")).json()
    groups = [scope for resource in answer["result"]["resourceSpans"] for scope in resource["scopeSpans"]]
    (links,) = [span["links"] for group in groups for span in group["spans"] if span.get("links")]
    return [link.get("traceState", "") for link in links]
