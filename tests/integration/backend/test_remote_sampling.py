"""Remote sampling: the embedded backend answers as Jaeger does with the file that devenv writes for it; SDKs follow."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sdks
from raw_http import running, until
from servers.jaeger import answers, free_ports, jaeger_config
from traced_programs import clean

from devenv.backend import Backend
from devenv.contract.sampling_strategies import strategies, strategies_file
from devenv.model.extension import Sampling
from devenv.orchestrate.agents.catalogue import JAVA
from devenv.orchestrate.agents.store import AgentStore

SAMPLING = Sampling.model_validate(
    {
        "default": 0.1,
        "services": {
            "gateway": 0.5,
            "auth": {"default": 0.2, "operations": {"GET /health": 0, "GET /users": 1}},
            "user": {"operations": {"work": 0.25}},
            "plain": {"default": 0},
        },
    }
)
ASKED = [
    *(f"{path}?service={name}" for path in ("/sampling", "/api/sampling") for name in ("gateway", "auth", "other")),
    *("/sampling?service=user", "/sampling?service=plain", "/sampling?service=", "/sampling?service=gate%77ay"),
    *("/sampling", "/sampling?service=gateway&service=auth", "/?service=auth"),
]
PROGRAM = """
import time
from opentelemetry import trace
from devenv import tracing
traced = tracing.setup({"batch": {"schedule_delay_ms": 50}})
deadline = time.monotonic() + 20
tracer = trace.get_tracer("program")
while tracer.start_span("dropped").is_recording():  # until the first answer
    assert time.monotonic() < deadline
    time.sleep(0.02)
for name in ("kept", "dropped", "unlisted"):
    for _ in range(200):
        with tracer.start_as_current_span(name):
            pass
traced.force_flush(5)
"""


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    async with running(sampling_port=0, strategies=strategies(SAMPLING)) as found:
        yield found


async def answered(port: int, path: str) -> tuple[int, str, Any]:
    async with httpx.AsyncClient(trust_env=False) as client:
        response = await client.get(f"http://127.0.0.1:{port}{path}")
    kind = response.headers["content-type"].partition(";")[0]
    return response.status_code, kind, response.json() if kind == "application/json" else response.text


@pytest.mark.jaeger
async def test_the_answers_are_jaegers(backend: Backend, tmp_path: Path, jaeger: Any) -> None:
    program = f"/proc/{jaeger.pid}/exe"  # that the fixture runs
    ports = free_ports(6)
    config = jaeger_config({"memory": {"max_traces": 10}}, ports)
    file = tmp_path / "strategies.json"
    file.write_text(json.dumps(strategies_file(SAMPLING)))
    config["extensions"]["remote_sampling"]["file"]["path"] = str(file)
    (tmp_path / "jaeger.json").write_text(json.dumps(config))
    real = await asyncio.create_subprocess_exec(program, "--config", str(tmp_path / "jaeger.json"), stderr=DEVNULL)
    try:
        await until(lambda: answers(f"http://127.0.0.1:{ports[4]}/status"), seconds=30)
        for path in ASKED:
            assert await answered(backend.sampling_port, path) == await answered(ports[3], path), path
    finally:
        real.terminate()
        await real.wait()


async def test_without_strategies_the_port_is_closed() -> None:
    async with running() as found:
        assert found.sampling_port == 0


async def test_a_program_follows_its_strategy() -> None:
    sampling = Sampling.model_validate(
        {"default": 0, "services": {"polling": {"default": 0.5, "operations": {"kept": 1, "dropped": 0}}}}
    )
    async with running(sampling_port=0, strategies=strategies(sampling)) as backend:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, cwd=os.sep,
            env=clean(
                OTEL_SERVICE_NAME="polling",
                OTEL_TRACES_SAMPLER="parentbased_jaeger_remote",
                OTEL_TRACES_SAMPLER_ARG=f"endpoint=http://127.0.0.1:{backend.sampling_port},pollingIntervalMs=5000",
                OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{backend.otlp_port}",
            ),
        )  # fmt: skip
        async with asyncio.timeout(40):
            assert await process.wait() == 0
        async with httpx.AsyncClient(trust_env=False) as client:
            url = f"http://127.0.0.1:{backend.query_port}/api/traces?service=polling&limit=2000"
            found = (await client.get(url)).json()["data"]
        names = [trace["spans"][0]["operationName"] for trace in found]
        assert names.count("kept") == 200
        assert 50 < names.count("unlisted") < 150


def follower(language: str, request: pytest.FixtureRequest, folder: Path) -> list[str]:
    """A program with the sampler of an SDK."""
    if language == "go":
        return [str(request.getfixturevalue("go_spans"))]
    agent = AgentStore(request.getfixturevalue("java_agent")).find(JAVA)
    assert agent is not None
    source = Path(sdks.__path__[0]) / "Sampled.java"
    subprocess.run(["javac", "-cp", str(agent.entry), "-d", str(folder), str(source)], check=True)
    return ["java", "-XX:TieredStopAtLevel=1", f"-javaagent:{agent.entry}", "-cp", str(folder), "Sampled"]


@pytest.mark.parametrize("language", [pytest.param(name, marks=getattr(pytest.mark, name)) for name in ("go", "java")])
async def test_sdks_of_other_languages_follow_a_change(
    request: pytest.FixtureRequest, tmp_path: Path, language: str
) -> None:
    """Go's asks over HTTP, Java's over gRPC, at the same address: what `devenv up` sets."""

    def ratios(**operations: float) -> Sampling:
        services = {"polling": {"default": 0.5, "operations": operations}}
        return Sampling.model_validate({"default": 0, "services": services})

    command = follower(language, request, tmp_path)
    async with running(sampling_port=0, strategies=strategies(ratios(kept=1, dropped=0))) as backend:
        port, otlp_port = backend.sampling_port, backend.otlp_port
        argument = f"endpoint=http://127.0.0.1:{port},pollingIntervalMs=500,initialSamplingRate=0"
        process = await asyncio.create_subprocess_exec(
            *command, "kept", "dropped", "unlisted", stdin=PIPE, stdout=PIPE,
            env=clean(
                OTEL_SERVICE_NAME="polling", OTEL_METRICS_EXPORTER="none", OTEL_LOGS_EXPORTER="none",
                OTEL_INSTRUMENTATION_COMMON_DEFAULT_ENABLED="false",
                OTEL_TRACES_SAMPLER="parentbased_jaeger_remote", OTEL_TRACES_SAMPLER_ARG=argument,
                OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{otlp_port}",
            ),
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"kept\n")
        counts = json.loads(await asyncio.wait_for(process.stdout.readline(), 120))
        assert (counts["kept"], counts["dropped"]) == (200, 0)
        assert 50 < counts["unlisted"] < 150
    changed = strategies(ratios(kept=0, dropped=1))
    async with running(sampling_port=port, otlp_port=otlp_port, strategies=changed):
        process.stdin.write(b"dropped\n")
        counts = json.loads(await asyncio.wait_for(process.stdout.readline(), 120))
        assert (counts["kept"], counts["dropped"]) == (0, 200)
        process.stdin.close()
        async with asyncio.timeout(20):
            assert await process.wait() == 0
