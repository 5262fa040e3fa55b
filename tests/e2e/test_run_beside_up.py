"""`devenv run` beside a project that is up: its traces go to that project's backend, wherever that listens."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from devenv_cli import Devenv, get_json

CODE = "import sqlite3; sqlite3.connect(':memory:').execute('SELECT 1')"


@pytest.fixture
def tool(engine: str, tmp_path: Path) -> Iterator[Devenv]:
    found = Devenv(tmp_path, engine)
    yield found
    found.down()


def run_as(tool: Devenv, name: str) -> str:
    done = tool.run("run", "--service-name", name, "--", sys.executable, "-c", CODE)
    assert done.returncode == 0, done.stderr
    return done.stderr


def wait_for_service(query_url: str, name: str, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while name not in (get_json(f"{query_url}/api/services")["data"] or []):
        assert time.monotonic() < deadline, f"no span of {name} after {seconds} s"
        time.sleep(0.05)


def test_the_backend_is_found_by_the_record_and_by_the_engine(tool: Devenv) -> None:
    up: Any = tool.json("up", "--isolated", "--no-canary")
    backend = up["trace_backend"]
    assert not backend["otlp_http_url"].endswith(":4318")
    record = tool.directory / ".devenv" / "project.json"
    assert json.loads(record.read_text())["otlp_http_url"] == backend["otlp_http_url"]
    assert run_as(tool, "by-record") == ""
    wait_for_service(backend["query_url"], "by-record")
    # A record of another version of devenv, or a port that has moved since: the engine is asked.
    record.write_text(json.dumps({**json.loads(record.read_text()), "otlp_http_url": "http://127.0.0.1:9"}))
    assert run_as(tool, "by-engine") == ""
    wait_for_service(backend["query_url"], "by-engine")
    record.unlink()
    assert run_as(tool, "by-labels") == ""
    wait_for_service(backend["query_url"], "by-labels")
    tool.json("down")
    assert not record.exists()
