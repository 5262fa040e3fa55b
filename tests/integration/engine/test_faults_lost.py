"""The engine dies in the middle of a command: it is said, within seconds, and the next `up` and `down` converge."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from devenv_cli import Devenv
from second_engine import TINY, SecondEngine, copy_image, import_tiny, second_engine, tiny_tree

pytestmark = pytest.mark.docker

JAEGER_IMAGE = "jaegertracing/jaeger:2.13.0"
READY_NEVER, READY_AT_ONCE = "/tmp/ready", "/bin/sh"
STACK = f"""
name: faults
services:
  backend:
    image: {JAEGER_IMAGE}
    x-devenv:
      role: trace-backend
  web:
    image: {TINY}
    command: [sh, -c, 'trap "exit 0" TERM; echo web is here; while :; do sleep 0.2; done']
    x-devenv:
      ready: {{exec: [test, -e, READY], timeout: 300s}}
"""


class DevenvInside(Devenv):
    """devenv in the network of an engine, whose published ports are there."""

    def __init__(self, engine: SecondEngine, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.engine_beside = engine

    def command(self, *arguments: str) -> list[str]:
        return [*self.engine_beside.inside, *super().command(*arguments)]


@pytest.fixture(scope="module")
def shared_engine(docker_client: Any) -> Iterator[SecondEngine]:
    with second_engine() as engine:
        client = engine.client()
        import_tiny(client, tiny_tree(docker_client, JAEGER_IMAGE))
        copy_image(docker_client, client, JAEGER_IMAGE)
        client.close()
        yield engine


@pytest.fixture
def engine(shared_engine: SecondEngine) -> Iterator[SecondEngine]:
    """An engine that a test may kill; it is running and empty before the next one."""
    yield shared_engine
    shared_engine.clear()
    shared_engine.start()


@pytest.fixture
def devenv(tmp_path: Path, engine: SecondEngine) -> Devenv:
    stack = tmp_path / "compose.yaml"
    stack.write_text(STACK.replace("READY", READY_AT_ONCE))
    return DevenvInside(engine, tmp_path, "docker", files=(stack,), environ={"DOCKER_HOST": engine.address})


def start(devenv: Devenv, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        devenv.command("--engine", "docker", *arguments),
        env={**os.environ, **devenv.environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def eventually(ask: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait for a condition, at most 30 s and only while the command runs."""
    deadline = time.monotonic() + 30
    while not ask():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "did not come about within 30 s"
        try:
            process.wait(timeout=0.05)
        except subprocess.TimeoutExpired:
            continue


def containers(engine: SecondEngine, **filters: Any) -> list[Any]:
    client = engine.client()
    try:
        return list(client.containers.list(**filters))
    finally:
        client.close()


def test_up_says_that_the_engine_is_gone_and_the_next_up_and_down_converge(
    devenv: Devenv, engine: SecondEngine
) -> None:
    devenv.files[0].write_text(STACK.replace("READY", READY_NEVER))
    up = start(devenv, "up", "--no-canary", "--json")
    eventually(lambda: bool(containers(engine, filters={"label": "devenv.service=web"})), up)
    engine.kill()
    killed = time.monotonic()
    output, errors = up.communicate(timeout=60)
    assert time.monotonic() - killed < 15
    error = json.loads(output)["error"]
    assert (up.returncode, error["kind"]) == (3, "EngineLost"), errors
    assert error["hint"]

    # Never "nothing left" without having asked the engine.
    assert devenv.json("down", code=3)["error"]["kind"] == "EngineUnavailable"

    engine.start()
    devenv.files[0].write_text(STACK.replace("READY", READY_AT_ONCE))
    services = devenv.json("up", "--no-canary")["services"]
    assert {service["state"] for service in services} == {"running"}
    devenv.down()
    assert containers(engine, all=True) == []


@pytest.mark.parametrize("verb", ["logs", "exec"])
def test_a_command_that_follows_a_service_ends_with_its_engine(devenv: Devenv, engine: SecondEngine, verb: str) -> None:
    devenv.json("up", "--no-canary")
    arguments = {"logs": ["logs", "--follow", "web"], "exec": ["exec", "web", "--", "sh", "-c", "echo hi; sleep 60"]}
    following = start(devenv, *arguments[verb])
    assert following.stdout is not None
    assert following.stdout.readline()
    engine.kill()
    _, errors = following.communicate(timeout=30)
    assert following.returncode == 3, errors
    assert "engine" in errors
