"""Port 5778 of remote sampling, if it is in use: an error that says so, or another port that services are told."""

from __future__ import annotations

import json
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from devenv_cli import Devenv

STACK = """
services:
  web:
    image: python:3.12-slim
    command: &command [python3, -u, -c, "import os, time; print(os.getenv('OTEL_TRACES_SAMPLER_ARG')); time.sleep(999)"]
    init: true
    x-devenv: { process: { command: *command } }
x-devenv:
  sampling:
    default: 1
    services: { web: { default: 0.5, operations: { kept: 1, dropped: 0 } } }
"""
PORT = 5778


@pytest.fixture
def tool(engine: str, tmp_path: Path) -> Iterator[Devenv]:
    found = Devenv(tmp_path, engine, files=())
    (tmp_path / "compose.yaml").write_text(STACK)
    yield found
    found.down()


def test_another_port_is_taken_if_it_is_in_use(tool: Devenv) -> None:
    with socket.create_server(("127.0.0.1", PORT)):
        refused = tool.run("up", "--no-canary")
        assert refused.returncode == 3
        assert f"port {PORT} of jaeger is in use by " in refused.stderr
        assert "devenv up --isolated" in refused.stderr
        document = tool.json("up", "--no-canary", "--isolated")
        jaeger = next(service for service in document["services"] if service["name"] == "jaeger")
        port = next(port["host"] for port in jaeger["ports"] if port["container"] == PORT)
        assert port != PORT
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/sampling?service=web") as answer:
            operations = json.load(answer)["operationSampling"]["perOperationStrategies"]
        assert {each["operation"] for each in operations} == {"kept", "dropped"}
        # A container asks Jaeger on their network, where the port is the same.
        address = f"http://127.0.0.1:{port}" if tool.engine == "process" else f"http://jaeger:{PORT}"
        said = tool.run("logs", "web").stdout
        assert f"endpoint={address},pollingIntervalMs=5000,initialSamplingRate=0.5" in said
