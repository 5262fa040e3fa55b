"""A Node.js and a Java service with no line of tracing, nothing about devenv in their files: traced by `up`."""

from __future__ import annotations

import json
import os
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from devenv_cli import Devenv, services_of, wait_for_trace

ENGINES = [pytest.param("docker", marks=pytest.mark.docker), "process"]
IMAGES = ("node:22-slim", "eclipse-temurin:17-jdk")
pytestmark = [pytest.mark.node, pytest.mark.java]

FILES = {
    "compose.yaml": """
services:
  web:
    build: web
    ports: ["8310:8310"]
    environment: {STOCK_URL: "http://stock:8311", NODE_OPTIONS: "--stack-trace-limit=7"}
    depends_on: [stock]
  stock:
    build: stock
    expose: ["8311"]
    environment: {JAVA_TOOL_OPTIONS: "-Dshop.kept=yes"}
""",
    "web/Dockerfile": 'FROM node:22-slim\nWORKDIR /app\nCOPY server.js .\nEXPOSE 8310\nCMD ["node", "server.js"]\n',
    "web/server.js": """
// OpenTelemetry's API of logs, without its package: what the agent has registered.
const logs = globalThis[Symbol.for('io.opentelemetry.js.api.logs')];
require('http').createServer(async (request, response) => {
  try {
    const record = { severityNumber: 13, body: 'asking stock', attributes: { shelf: 3 } };
    if (logs) logs(1).getLogger('shop').emit(record);
    const answer = await fetch(`${process.env.STOCK_URL}/stock`);
    response.end(`${await answer.text()} ${Error.stackTraceLimit}`);
  } catch (error) {
    response.writeHead(502);
    response.end(String(error));
  }
}).listen(process.env.PORT || 8310, '0.0.0.0');
""",
    "stock/Dockerfile": (
        'FROM eclipse-temurin:17-jdk\nWORKDIR /app\nCOPY Stock.java .\nEXPOSE 8311\nCMD ["java", "Stock.java"]\n'
    ),
    "stock/Stock.java": """
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.util.logging.Logger;

public class Stock {
    static final Logger LOGGER = Logger.getLogger("stock");

    public static void main(String[] arguments) throws Exception {
        int port = Integer.parseInt(System.getenv().getOrDefault("PORT", "8311"));
        HttpServer server = HttpServer.create(new InetSocketAddress("0.0.0.0", port), 0);
        server.createContext("/stock", exchange -> {
            LOGGER.warning("answering web");
            byte[] body = System.getProperty("shop.kept").getBytes();
            exchange.sendResponseHeaders(200, body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
        });
        server.start();
    }
}
""",
}


def request(url: str) -> tuple[str, str]:
    """The ID of a new trace, and what the entry point answers."""
    trace_id = os.urandom(16).hex()
    headers = {"traceparent": f"00-{trace_id}-{os.urandom(8).hex()}-01"}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as response:
        return trace_id, response.read().decode()


RESTRICTED = "\n  web:\n    read_only: true\n    user: '12345'\n"
"""A container that may write nothing, of a user that the image does not have."""


def files_of(engine: str) -> dict[str, str]:
    if engine != "docker":
        return FILES
    return {**FILES, "compose.yaml": FILES["compose.yaml"].replace("\n  web:\n", RESTRICTED)}


def written(folder: Path, engine: str) -> Path:
    for name, text in files_of(engine).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module", params=ENGINES)
def shop(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, node_agent: Path, java_agent: Path
) -> Iterator[Devenv]:
    """The project on each engine in turn."""
    assert node_agent == java_agent
    if request.param == "docker":
        client = request.getfixturevalue("docker_client")
        known = {tag for image in client.images.list() for tag in image.tags}
        missing = [image for image in IMAGES if image not in known]
        assert not missing, f"`.ci/images all` creates {missing}"
    folder = written(tmp_path_factory.mktemp(f"shop-{request.param}"), request.param)
    tool = Devenv(folder, request.param, files=(), environ={"DEVENV_AGENTS_DIR": str(node_agent)})
    yield tool
    tool.down()


@pytest.fixture(scope="module")
def up(shop: Devenv) -> Any:
    return shop.json("up")


def test_both_are_traced_by_devenv(up: Any) -> None:
    tracing = {service["name"]: service["tracing"] for service in up["services"]}
    assert (tracing["web"]["by"], tracing["web"]["language"]) == ("devenv", "node")
    assert (tracing["stock"]["by"], tracing["stock"]["language"]) == ("devenv", "java")
    assert up["canary"]["verdict"] == "complete"
    assert set(up["canary"]["services"]) >= {"web", "stock"}


def test_a_request_is_one_trace_and_own_options_are_kept(up: Any, shop: Devenv) -> None:
    trace_id, answer = request(up["entrypoint_url"])
    assert answer == "yes 7"
    trace = wait_for_trace(up["trace_backend"]["query_url"], trace_id, {"web", "stock"}, spans=3)
    assert services_of(trace) == {"web", "stock"}
    spans = {span["spanID"] for span in trace["spans"]}
    roots = [span for span in trace["spans"] if not any(ref["spanID"] in spans for ref in span["references"])]
    assert len(roots) == 1, "a span of the two services has lost its parent"
    instances = [tag for process in trace["processes"].values() for tag in process["tags"]]
    assert len({tag["value"] for tag in instances if tag["key"] == "service.instance.id"}) == 2


def test_the_log_records_that_agents_send_by_default_are_in_the_trace(up: Any, shop: Devenv) -> None:
    trace_id, _ = request(up["entrypoint_url"])
    wait_for_trace(up["trace_backend"]["query_url"], trace_id, {"web", "stock"}, spans=3)
    found: list[dict[str, Any]] = []
    deadline = time.monotonic() + 20
    while shop.engine == "process" and len(found) < 2 and time.monotonic() < deadline:
        done = shop.run("--json", "logs", "--trace", trace_id)
        assert done.returncode == 0, done.stderr
        found = [json.loads(line) for line in done.stdout.splitlines()]
    if shop.engine == "docker":  # Jaeger takes traces only, so they are off, and no exporter complains
        assert "/v1/logs" not in shop.run("logs").stdout
        return
    web, stock = sorted(found, key=lambda line: line["service"] != "web")
    assert (web["stream"], web["text"], web["severity"], web["attributes"]) == (
        "otlp", "asking stock", "WARN", {"shelf": 3}
    )  # fmt: skip
    # Java's logger prints the line, too, without the trace's ID.
    assert (stock["stream"], stock["repeated"], stock["severity"]) == ("stderr", True, "WARN")
    assert "answering web" in stock["text"]
    assert {len(line["span_id"]) for line in found} == {16}


def test_nothing_of_the_project_was_changed(up: Any, shop: Devenv) -> None:
    assert up["services"]
    for name, text in files_of(shop.engine).items():
        assert (shop.directory / name).read_text() == text


def test_without_the_agents_up_names_the_commands_and_goes_on(
    tmp_path: Path, node_agent: Path, java_agent: Path
) -> None:
    assert node_agent == java_agent
    tool = Devenv(
        written(tmp_path, "process"), "process", files=(), environ={"DEVENV_AGENTS_DIR": str(tmp_path / "none")}
    )
    try:
        document = tool.json("up", "--no-canary", "--isolated")
        tracing = {service["name"]: service["tracing"] for service in document["services"]}
        assert {tracing[name]["by"] for name in ("web", "stock")} == {"none"}
        assert "devenv agents add node" in tracing["web"]["note"]
        assert "devenv agents add java" in tracing["stock"]["note"]
        assert request(document["entrypoint_url"])[1] == "yes 7"
    finally:
        tool.down()
