"""Stacks with their own collector: Jaeger's binary, which is built from the Collector and reads its configuration."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from devenv_cli import ROOT, Devenv, get_json, services_of

pytestmark = pytest.mark.docker

JAEGER = "jaegertracing/jaeger:2.13.0"
COLLECTOR = "otel/opentelemetry-collector"
TAG = "devenv-test"

# A sampler that drops every second trace, and two pipelines with one receiver: each span has to come once all the same.
CONFIG = """\
# what our collector does
receivers:
  otlp: { protocols: { http: { endpoint: "0.0.0.0:4318" }, grpc: { endpoint: "0.0.0.0:4317" } } }
processors:
  batch: { timeout: "${env:DELAY:-50ms}" }
  tail_sampling:
    decision_wait: 1s
    policies: [{ name: half, type: probabilistic, probabilistic: { sampling_percentage: 50 } }]
exporters:
  debug: {}
service:
  telemetry: { metrics: { level: none } }
  pipelines:
    traces: { receivers: [otlp], processors: [batch], exporters: [debug] }
    traces/sampled: { receivers: [otlp], processors: [tail_sampling], exporters: [debug] }
"""

STACK = """\
services:
  gateway:
    image: devenv-sample:latest
    build: {{ context: "{root}", dockerfile: stacks/sample/Dockerfile }}
    command: [python, -m, user.app]
    ports: ["8082:8082"]
    environment: {{ OTEL_EXPORTER_OTLP_ENDPOINT: "http://otel-collector:4318" }}
    healthcheck: {{ test: [CMD, python, healthcheck.py, user], interval: 1s }}
  otel-collector:
    image: {image}
    command: ["--config=/etc/otelcol/config.yaml"]
    ports: ["4317:4317", "4318:4318"]
{given}
  db:
    image: postgres:16
    environment: {{ POSTGRES_PASSWORD: secret }}
    ports: ["5432:5432"]
    healthcheck: {{ test: [CMD, pg_isready, --username, postgres, --host, 127.0.0.1], interval: 1s, retries: 60 }}
{more}
x-devenv:
  entrypoint: gateway
  canary: {{ path: /users, headers: {{ x-account-id: "1" }}, services: [gateway] }}
"""
FILE = ('    volumes: ["./otel.yaml:/etc/otelcol/config.yaml:ro"]', "")
DIRECTORY = ('    volumes: ["./:/etc/otelcol:ro"]\n    configs: []', "")
ENTRY = (
    "    configs: [{ source: otel, target: /etc/otelcol/config.yaml }]",
    "configs: { otel: { file: ./otel.yaml } }",
)


@pytest.fixture(scope="module", autouse=True)
def collector_image(docker_client: Any) -> Iterator[None]:
    docker_client.images.get(JAEGER).tag(COLLECTOR, tag=TAG)
    yield
    docker_client.images.remove(f"{COLLECTOR}:{TAG}", noprune=True)


def project(directory: Path, shape: tuple[str, str]) -> Devenv:
    directory.mkdir()
    given, more = shape
    (directory / "otel.yaml").write_text(CONFIG)
    (directory / "config.yaml").write_text(CONFIG)
    text = STACK.format(root=ROOT, image=f"{COLLECTOR}:{TAG}", given=given, more=more)
    (directory / "compose.yaml").write_text(text)
    return Devenv(directory, "docker", files=())


def query(tool: Devenv, statement: str) -> str:
    """What the database of a project answers."""
    done = tool.run("exec", "db", "psql", "-U", "postgres", "-h", "/tmp", "-Atc", statement)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def is_complete_and_single(up: Any) -> None:
    """The canary's trace is complete, and has each span once."""
    assert up["canary"]["verdict"] == "complete", up["canary"]
    # `raw`: otherwise Jaeger hides a span that came twice.
    trace = get_json(f"{up['trace_backend']['query_url']}/api/traces/{up['canary']['trace_id']}?raw=true")["data"][0]
    assert "gateway" in services_of(trace)
    spans = [span["spanID"] for span in trace["spans"]]
    assert len(spans) == len(set(spans)) == up["canary"]["spans"]
    (way,) = up["collectors"]
    assert way == {
        "services": ["gateway"],
        "collector": "otel-collector",
        "backend": "jaeger",
        "spans_arrive": True,
    }


def test_two_worktrees_with_a_collector_and_a_database_each(tmp_path: Path) -> None:
    tools = [project(tmp_path / "one", FILE), project(tmp_path / "two", ENTRY)]
    try:
        with ThreadPoolExecutor() as pool:
            ups = list(pool.map(lambda tool: tool.json("up", "--isolated"), tools))
            for up in ups:
                is_complete_and_single(up)
            published = [{port["host"] for service in up["services"] for port in service["ports"]} for up in ups]
            assert not published[0] & published[1]
            assert {4317, 4318, 5432, 8082, 16686}.isdisjoint(published[0] | published[1])
            for number, tool in enumerate(tools):
                query(tool, f"CREATE TABLE worktree AS SELECT {number} AS number")
            load = ("load", "--rps", "10", "--duration", "2s", "--fail", "traced==100%")
            for run in pool.map(lambda tool: tool.json(*load), tools):
                assert run["traces"]["complete"] == run["sent"] == 20
        assert tools[0].json("down")["left"] == []
        left = tools[1].json("status")
        assert left["collectors"] == ups[1]["collectors"]
        assert {service["name"] for service in left["services"]} >= {"gateway", "otel-collector", "db"}
        assert query(tools[1], "SELECT number FROM worktree") == "1"
        assert tools[1].json("down")["left"] == []
        assert [(tool.directory / "otel.yaml").read_text() for tool in tools] == [CONFIG, CONFIG]
    finally:
        for tool in tools:
            tool.down()


def test_the_backend_moves_beside_a_collector_in_a_directory_and_a_second_up_changes_nothing(tmp_path: Path) -> None:
    tool = project(tmp_path / "shop", DIRECTORY)
    try:
        up = tool.json("up")
        is_complete_and_single(up)
        hosts = {
            service["name"]: {port["container"]: port["host"] for port in service["ports"]}
            for service in up["services"]
        }
        assert hosts["otel-collector"] == {4317: 4317, 4318: 4318}
        assert hosts["jaeger"][16686] == 16686
        assert {hosts["jaeger"][4317], hosts["jaeger"][4318]}.isdisjoint({4317, 4318})
        again = tool.run("up", "--no-canary", "--dry-run")
        assert again.stdout.count("keep") == 4, again.stdout
    finally:
        tool.down()
