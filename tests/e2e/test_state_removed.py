"""``git clean -fdx`` beside a project that is up: every command finds it all the same, whatever engine is asked for."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from devenv_cli import Devenv

from devenv.engine.process.log_reader import REMOVED
from devenv.engine.process.process_identity import start_time

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")

STACK = f"""
name: shop
services:
  web:
    image: web
    ports: ["127.0.0.1:8082:8082"]
    x-devenv:
      ready: {{ tcp: true }}
      process: {{ command: {sys.executable} -m http.server 8082 --bind 127.0.0.1 }}
  quiet:
    image: quiet
    x-devenv:
      process: {{ command: sh -c 'echo once; echo $$$$ > pid; exec sleep 600' }}
x-devenv: {{ entrypoint: web }}
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Devenv]:
    (tmp_path / "compose.yaml").write_text(STACK)
    tool = Devenv(tmp_path, "process", files=())
    tool.json("up", "--no-canary")
    yield Devenv(tmp_path, "auto", files=())
    tool.down()


def clean(project: Devenv) -> None:
    shutil.rmtree(project.directory / ".devenv")


def states(document: Any) -> dict[str, str]:
    return {service["name"]: service["state"] for service in document["services"]}


def test_every_command_finds_it(project: Devenv) -> None:
    running = {"web": "running", "quiet": "running", "jaeger": "running"}
    before = project.json("status")
    clean(project)
    after = project.json("status")
    assert states(after) == running
    for key in ("project", "engine", "entrypoint_url", "trace_backend"):
        assert after[key] == before[key], key
    assert not (project.directory / ".devenv").exists(), "a status writes nothing"

    lines = project.run("logs", "quiet").stdout.splitlines()
    assert lines == [f"quiet | {REMOVED}"], "what was removed is not passed over"
    assert project.json("open", "jaeger", "--print")["url"] == f"{before['trace_backend']['ui_url']}/search"
    refused = project.json("--engine", "docker", "up", code=2)["error"]
    assert refused["message"] == "shop already runs on the process engine, not on docker"

    again = project.json("up", "--no-canary")
    assert states(again) == running
    assert again["engine"] == "process"

    clean(project)
    assert states(project.json("restart", "quiet")) == running
    deadline = time.monotonic() + 10
    while len(lines) < 2 and time.monotonic() < deadline:
        lines = project.run("logs", "quiet").stdout.splitlines()
    assert lines == [f"quiet | {REMOVED}", "quiet | once"]

    clean(project)
    pid = int((project.directory / "pid").read_text())
    down = project.json("down")
    assert len(down["removed"]["processes"]) == 3
    assert (down["left"], start_time(pid)) == ([], 0)
    assert project.json("status", code=3)["error"]["kind"] == "NotUp"


@pytest.fixture
def on_docker(tmp_path: Path) -> Iterator[Devenv]:
    (tmp_path / "compose.yaml").write_text(
        "name: shop\nservices:\n  quiet:\n    image: python:3.12-slim\n    init: true\n"
        "    command: sh -c 'echo once; exec sleep infinity'\n"
        "    x-devenv: { process: { command: sleep 600 } }\n"
    )
    tool = Devenv(tmp_path, "docker", files=())
    tool.json("up", "--no-canary", "--isolated")
    found = Devenv(tmp_path, "auto", files=())
    yield found
    found.down()


@pytest.mark.docker
def test_no_second_copy_of_what_is_up_on_docker(on_docker: Devenv) -> None:
    """The process engine was started beside it: two copies, of which `down` ended one."""
    clean(on_docker)
    for command in ("up", "status", "down"):
        refused = on_docker.json("--engine", "process", command, code=2)["error"]
        assert refused["message"] == "shop already runs on the docker engine, not on process", command
    assert not (on_docker.directory / ".devenv").exists()
    checks = {check["name"]: check for check in on_docker.json("doctor")["checks"]}
    assert checks["ports"]["found"] == "all published ports are free or used by this project"
    assert on_docker.json("status")["engine"] == "docker"
    assert on_docker.run("logs", "quiet").stdout == "quiet | once\n"
    down = on_docker.json("down")
    assert (len(down["removed"]["containers"]), down["left"]) == (2, [])
    assert on_docker.json("--engine", "process", "up", "--no-canary", "--isolated")["engine"] == "process"
