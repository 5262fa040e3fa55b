"""`devenv load` ends as soon as nothing more can come: the project was removed, or it sends no spans."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator

import pytest
from devenv_cli import Devenv, get_json

STACK = """
name: shop
services:
  web:
    image: python:3.12-slim
    init: true
    command: python -m http.server 8082
    ports: ["127.0.0.1:8082:8082"]
    x-devenv:
      ready: { http: "/" }
      process: { command: python -m http.server 8082 --bind 127.0.0.1 }
x-devenv: { entrypoint: web }
"""
DEADLINE_S = 30.0
"""After a run, traces of requests that arrived are waited for so long, if there is anything to wait for."""


@pytest.fixture(scope="module")
def tool(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devenv]:
    directory = tmp_path_factory.mktemp(f"{engine}-shop")
    (directory / "compose.yaml").write_text(STACK)
    found = Devenv(directory, engine, files=())
    found.json("up", "--no-canary")
    yield found
    found.down()


def test_an_untraced_stack_is_not_waited_for(tool: Devenv) -> None:
    """A run of two seconds took 33."""
    document = tool.json("load", "--rps", "5", "--duration", "2s")
    assert time.time() - tool.begun < DEADLINE_S
    assert document["traces"]["absent"] == document["sent"]
    assert document["errors"] == {}


def test_a_run_ends_with_its_project(tool: Devenv) -> None:
    """`down` during a run: it continued, and then waited for 30 s on a backend that refused all connections."""
    load = subprocess.Popen(
        tool.command("load", "--rps", "5", "--duration", "120s", "--json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    wait_for_requests(tool)
    tool.json("down")
    removed = time.monotonic()
    out, _ = load.communicate(timeout=180)
    assert time.monotonic() - removed < DEADLINE_S / 2
    document = json.loads(out)
    assert (load.returncode, document["interrupted_by"]) == (1, "down")
    assert "as the project was removed" in document["verdict_reasons"][0]


def wait_for_requests(tool: Devenv) -> None:
    """Wait until a run has begun: the backend has its root spans."""
    url = tool.json("status")["trace_backend"]["query_url"]
    until = time.monotonic() + 60
    while time.monotonic() < until:
        found = get_json(f"{url}/api/traces?service=devenv&start={int((time.time() - 2) * 1e6)}&limit=1")["data"]
        if found:
            return
        time.sleep(0.1)
    raise AssertionError("no request was sent")
