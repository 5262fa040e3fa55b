"""`devenv up --persist` on both engines: a trace outlives `down`, and a killed daemon; `--volumes` removes it."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from devenv_cli import Devenv, find_trace, get_json
from embedded.log_build import logged, make_record
from otlp_build import make_span, one, trace_id


@pytest.fixture
def tool(engine: str, tmp_path: Path) -> Any:
    found = Devenv(tmp_path, engine)
    yield found
    found.down()


def post(url: str, path: str, body: bytes) -> None:
    headers = {"Content-Type": "application/x-protobuf"}
    with urllib.request.urlopen(urllib.request.Request(url + path, data=body, headers=headers)) as answer:
        assert answer.status == 200


def wait_until_found(query_url: str, trace: str) -> None:
    deadline = time.monotonic() + 20
    while find_trace(query_url, trace) is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_trace_outlives_down_and_a_kill(tool: Devenv, engine: str) -> None:
    trace = trace_id()
    up = ("up", "--persist", "--no-canary", "user")
    backend = tool.json(*up)["trace_backend"]
    post(backend["otlp_http_url"], "/v1/traces", one("user", make_span(trace)))
    wait_until_found(backend["query_url"], trace.hex())
    if engine == "process":
        post(backend["otlp_http_url"], "/v1/logs", logged("user", make_record("kept", trace=trace)))
        assert tool.json("status", "--no-usage", code=0)["trace_backend"]["storage"] == backend["storage"]
        time.sleep(0.2)  # what is promised
        os.kill(json.loads((tool.directory / ".devenv" / "daemon.json").read_text())["pid"], signal.SIGKILL)
        backend = tool.json(*up)["trace_backend"]
        wait_until_found(backend["query_url"], trace.hex())
    down = tool.json("down")
    assert down["kept"]["volumes"]
    backend = tool.json(*up)["trace_backend"]
    wait_until_found(backend["query_url"], trace.hex())
    if engine == "process":
        records = get_json(f"{backend['query_url']}/api/devenv/logs?traceID={trace.hex()}")["records"]
        assert [record["body"] for record in records] == ["kept"]
    assert tool.down()["removed"]["volumes"] == down["kept"]["volumes"]
    assert not (tool.directory / ".devenv" / "volumes" / "jaeger-data").exists()
