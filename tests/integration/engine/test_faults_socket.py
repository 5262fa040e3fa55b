"""No engine at the address, one that this user may not use, one that hangs: each is told apart, by the command line."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from devenv_cli import Devenv

STACK = """
name: faults
services:
  web:
    image: python:3.12-slim
    command: [sleep, "600"]
"""
# Another user, who may read everything (the interpreter may lie in root's home) and write nothing. From util-linux.
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
NOBODY += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "compose.yaml").write_text(STACK)
    return tmp_path


def devenv(project: Path, host: str) -> Devenv:
    return Devenv(project, "docker", files=(project / "compose.yaml",), environ={"DOCKER_HOST": host})


def error_of_up(project: Path, host: str, *, code: int = 3) -> dict[str, Any]:
    error: dict[str, Any] = devenv(project, host).json("up", code=code)["error"]
    assert error["code"] == code
    assert error["hint"]
    return error


@pytest.mark.docker
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_user_without_permission_is_told_so(project: Path, docker_engine: str) -> None:
    for folder in (project, project.parent, project.parent.parent):
        folder.chmod(0o777)  # theirs as well, so that the engine's socket is all that they may not use
    result = subprocess.run(
        [*NOBODY, *devenv(project, docker_engine).command("up", "--engine", "docker", "--json")],
        env={**os.environ, "DOCKER_HOST": docker_engine, "HOME": str(project)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    error = json.loads(result.stdout)["error"]
    assert (result.returncode, error["kind"]) == (3, "EnginePermission"), result.stderr
    assert docker_engine.removeprefix("unix://") in error["message"]
    assert "docker" in error["hint"]


def test_a_socket_that_is_not_there(project: Path) -> None:
    error = error_of_up(project, f"unix://{project}/none.sock")
    assert error["kind"] == "EngineUnavailable"
    assert "none.sock" in error["message"]


def test_a_socket_that_nobody_listens_on(project: Path) -> None:
    path = project / "dead.sock"
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(str(path))
    assert error_of_up(project, f"unix://{path}")["kind"] == "EngineUnavailable"


@contextmanager
def silent_server(path: Path) -> Iterator[str]:
    """Takes connections and never answers, as an engine that hangs does."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(16)
        yield f"unix://{path}"


def test_an_engine_that_never_answers_is_given_up(project: Path) -> None:
    begun = time.monotonic()
    with silent_server(project / "mute.sock") as address:
        assert error_of_up(project, address)["kind"] == "EngineUnavailable"
    assert time.monotonic() - begun < 30


def test_a_server_that_is_no_engine(project: Path) -> None:
    """An address that answers HTTP, but not as Docker does."""
    server = subprocess.Popen(
        [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert server.stdout is not None
        port = server.stdout.readline().split("port ")[1].split()[0]
        assert error_of_up(project, f"tcp://127.0.0.1:{port}")["kind"] == "EngineUnavailable"
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=10)
