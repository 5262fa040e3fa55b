"""The engines that the contract tests run on. A further engine needs a factory in `ENGINES`.

What an engine cannot do is declared by name in `CANNOT`, with the reason; a test of it takes `engines_with(…)`, so that
it is not even collected for that engine.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from devenv.clock import Clock, SystemClock
from devenv.contract.answers import LogLine
from devenv.contract.engine import Engine
from devenv.contract.specification import FileContent, InstanceSpec, NetworkSpec
from devenv.model.identity import Project
from devenv.model.stack import Attachment, Network
from devenv.model.state import ObservedInstance
from devenv.testing import FakeClock, FakeEngine, FakeImage, make_project, make_service
from devenv.testing.builders import make_labels

BASE_IMAGE = "python:3.12-slim"
CAPABILITIES = frozenset({"images", "networks", "volumes", "files"})


@dataclass
class Harness:
    """One engine under test, and its project."""

    engine: Engine
    clock: Clock
    project: Project
    image: str = BASE_IMAGE
    network: str | None = None

    def spec(
        self, line: str, *, service: str = "web", index: int = 1, files: tuple[FileContent, ...] = (), **fields: Any
    ) -> InstanceSpec:
        """An instance that runs the shell `line`."""
        command = ("sh", "-c", line)
        fields.setdefault("init", True)  # PID 1 of a container would ignore signals that it does not handle
        fields.setdefault("networks", (Attachment(network="default"),))
        fields.setdefault("x", {"process": {"command": list(command)}})
        return InstanceSpec(
            name=f"{self.project.id}-{service}-{index}",
            project=self.project,
            service=make_service(service, image=self.image or None, command=command, **fields),
            index=index,
            labels=make_labels(self.project, service, index, config_hash="0123"),
            image=self.image,
            networks={"default": self.network or "none"},
            files=files,
        )

    async def run(self, line: str, **options: Any) -> str:
        """Create and start an instance that runs the shell `line`."""
        instance_id = await self.engine.create(self.spec(line, **options))
        await self.engine.start(instance_id)
        return instance_id

    async def seen(self, instance_id: str) -> ObservedInstance:
        """The instance as `observe` shows it."""
        state = await self.engine.observe(self.project)
        return next(instance for instance in state.instances if instance.id == instance_id)

    async def until(self, condition: Callable[[], Awaitable[Any]], *, seconds: float = 20.0) -> Any:
        """The condition's first true value; asks until the deadline."""
        deadline = self.clock.monotonic() + seconds
        while self.clock.monotonic() < deadline:
            if value := await condition():
                return value
            await self.clock.sleep(0.02)
        raise AssertionError(f"not within {seconds:g} s: {condition}")

    async def lines(self, instance_id: str, **options: Any) -> list[LogLine]:
        """Output so far."""
        return [line async for line in self.engine.logs(instance_id, **options)]

    async def clean(self) -> None:
        """Remove all that the project has."""
        state = await self.engine.observe(self.project)
        await asyncio.gather(*(self.engine.remove(instance.id) for instance in state.instances))
        await asyncio.gather(*(self.engine.remove_network(network.id) for network in state.networks))
        await asyncio.gather(*(self.engine.remove_volume(volume.name) for volume in state.volumes))
        await self.engine.close()


Factory = Callable[[Path], AbstractAsyncContextManager[Harness]]


@asynccontextmanager
async def fake(directory: Path) -> AsyncIterator[Harness]:
    clock = FakeClock()
    engine = FakeEngine(clock)
    engine.images[BASE_IMAGE] = FakeImage("sha256:base")
    harness = Harness(engine, clock, make_project(directory))
    await _add_network(harness)
    yield harness
    await harness.clean()


@asynccontextmanager
async def docker(directory: Path) -> AsyncIterator[Harness]:
    from devenv.engine.docker import DockerEngine

    harness = Harness(DockerEngine(), SystemClock(), make_project(directory))
    await _add_network(harness)
    try:
        yield harness
    finally:
        await harness.clean()


@asynccontextmanager
async def podman(directory: Path) -> AsyncIterator[Harness]:
    from devenv.engine.docker import DockerEngine
    from devenv.engine.docker_address import find_address

    address = find_address({"DOCKER_HOST": os.environ["DEVENV_TEST_PODMAN"]})
    harness = Harness(DockerEngine(address), SystemClock(), make_project(directory))
    await _add_network(harness)
    try:
        yield harness
    finally:
        await harness.clean()


@asynccontextmanager
async def process(directory: Path) -> AsyncIterator[Harness]:
    from devenv.engine.process import ProcessEngine

    project = make_project(directory)
    harness = Harness(ProcessEngine(project), SystemClock(), project, image="")
    try:
        yield harness
    finally:
        await harness.clean()


async def _add_network(harness: Harness) -> None:
    name = f"{harness.project.id}_default"
    labels = make_labels(harness.project)
    await harness.engine.create_network(NetworkSpec(name=name, network=Network(key="default"), labels=labels))
    harness.network = name


ENGINES: list[Any] = [
    pytest.param(fake, id="fake"),
    pytest.param(docker, id="docker", marks=pytest.mark.docker),
    pytest.param(process, id="process"),
    pytest.param(podman, id="podman", marks=pytest.mark.podman),
]


CANNOT: Mapping[str, Mapping[str, str]] = {
    "process": dict.fromkeys(CAPABILITIES, "services are local processes"),
}
"""Capabilities that an engine lacks, by its id in `ENGINES`, and why."""


def engines_with(capability: str) -> pytest.MarkDecorator:
    """Run a test of the fixture `harness` only on the engines that have the capability."""
    assert capability in CAPABILITIES
    able = [engine for engine in ENGINES if capability not in CANNOT.get(engine.id, {})]
    return pytest.mark.parametrize("harness", able, indirect=True)


def free_port() -> int:
    """A port of the loopback that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
