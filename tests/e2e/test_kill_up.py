"""`devenv up` killed with SIGKILL at any instant: `down` leaves the engine's lists as they were before."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from devenv_cli import Devenv

ROUNDS = int(os.environ.get("DEVENV_TEST_KILLS", "10"))
SEED = 20_260_807

STACK = """
name: killed
x-service: &service
  image: python:3.12-slim
  init: true
  command: [sleep, infinity]
services:
  store:
    <<: *service
    volumes: ["data:/data", "/scratch"]
    networks: [back]
    x-devenv: { ready: { exec: "true" } }
  job:
    <<: *service
    command: ["true"]
    networks: [back]
    depends_on: { store: { condition: service_healthy } }
  api:
    <<: *service
    networks: [back, default]
    depends_on: { job: { condition: service_completed_successfully } }
    configs: [key]
  web:
    <<: *service
    depends_on: [api]
    ports: ["8080:8080"]
    deploy: { replicas: 1 }
networks:
  back: {}
volumes:
  data: {}
configs:
  key: { content: top }
"""


class World:
    """One project directory on the real engine, looked at with the engine's own SDK."""

    def __init__(self, directory: Path, client: Any) -> None:
        self.client = client
        file = directory / "compose.yaml"
        file.write_text(STACK)
        self.tool = Devenv(directory, "docker", files=(file,))

    def lists(self) -> dict[str, str]:
        """All that the engine has, except our named volume and devenv's other projects."""

        def of_others(labels: dict[str, str] | None) -> bool:
            directory = (labels or {}).get("devenv.directory")
            return directory is not None and directory != str(self.tool.directory)

        api = self.client.api
        containers, networks = api.containers(all=True), api.networks()
        volumes = api.volumes()["Volumes"] or []
        named = [(c["Id"], f"{c['Names']} {c['Status']}", c["Labels"]) for c in containers]
        named += [(n["Id"], n["Name"], n["Labels"]) for n in networks]
        theirs = {m.get("Name") for c in containers if of_others(c["Labels"]) for m in c["Mounts"]}
        named += [
            (v["Name"], "volume", v["Labels"])
            for v in volumes
            if v["Name"] not in theirs and not v["Name"].endswith("_data")
        ]
        return {name: what for name, what, labels in named if not of_others(labels)}

    def start_up(self) -> subprocess.Popen[bytes]:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("DEVENV_")}
        return subprocess.Popen(
            self.tool.command("up", "--no-canary", "--isolated"),
            env={**environ, "DEVENV_ENGINE": "docker"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
        )


@pytest.fixture
def world(tmp_path: Path, docker_client: Any) -> Iterator[World]:
    made = World(tmp_path, docker_client)
    yield made
    made.tool.down()


@pytest.fixture
def bystanders(docker_client: Any) -> Iterator[set[str]]:
    """One of each kind that does not belong to devenv."""
    container = docker_client.containers.create("python:3.12-slim", ["true"])
    network = docker_client.networks.create("devenv-test-bystander")
    volume = docker_client.volumes.create("devenv-test-bystander")
    yield {container.id, network.id, volume.name}
    container.remove(force=True)
    network.remove()
    volume.remove()


@pytest.mark.docker
@pytest.mark.timeout(900)
def test_down_after_a_killed_up_leaves_nothing(world: World, bystanders: set[str]) -> None:
    before = world.lists()
    begun = time.monotonic()
    first = world.start_up()
    assert (first.communicate(timeout=120), first.returncode)[1] == 0
    whole = time.monotonic() - begun
    world.tool.json("down")
    chance = random.Random(SEED)
    for number in range(ROUNDS):
        instant = chance.uniform(0.1, 1.0) * whole
        process = world.start_up()
        time.sleep(instant)  # the instant of the kill is the input of this test, not a wait for something
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if number % 5 == 4:
            again = world.tool.run("up", "--no-canary", "--isolated")
            assert again.returncode == 0, f"up after a kill at {instant:.2f} s:\n{again.stderr}"
        document = world.tool.json("down")
        found = world.lists()
        more = {name: what for name, what in found.items() if name not in before}
        told = f"round {number}, killed after {instant:.2f} of {whole:.2f} s: {document}"
        assert (more, document["left"]) == ({}, []), told
        assert bystanders <= set(found), told


@pytest.mark.docker
def test_a_second_command_waits_for_the_first(world: World) -> None:
    both = [world.start_up(), world.start_up()]
    told = [process.communicate(timeout=120)[1].decode() for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    waited = [f"devenv up (pid {both[1 - number].pid})" in text for number, text in enumerate(told)]
    assert sorted(waited) == [False, True], told


@pytest.mark.docker
def test_ctrl_c_leaves_what_down_takes_on_from(world: World) -> None:
    process = world.start_up()
    lock = world.tool.directory / ".devenv" / "lock"
    deadline = time.monotonic() + 60
    while not (lock.exists() and lock.read_text()):
        assert time.monotonic() < deadline, "up never took the lock"
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told.decode()
    assert world.tool.json("down")["left"] == []
