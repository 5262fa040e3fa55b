"""Pulling from a real registry on loopback by an engine without images: unknown, refused, guarded, slow, and good."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from devenv_cli import Devenv
from loopback_link import loopback_link
from second_engine import TINY, SecondEngine, import_tiny, second_engine, tiny_tree

from devenv.contract.answers import Progress
from devenv.engine.docker import DockerEngine
from devenv.errors import ImageMissing, PullFailed

pytestmark = pytest.mark.docker

JAEGER_IMAGE = "jaegertracing/jaeger:2.13.0"
MIRROR = int(os.environ.get("DEVENV_TEST_REGISTRY", "127.0.0.1:5000").rpartition(":")[2])


@dataclass(frozen=True)
class Registry:
    """A registry on loopback."""

    port: int

    def name(self, image: str) -> str:
        return f"127.0.0.1:{self.port}/{image}"


@contextmanager
def serve_registry(folder: Path, engine: SecondEngine, *, guarded: bool = False) -> Iterator[Registry]:
    """A registry on this machine's loopback and, at the same port, on the engine's; `guarded`: by a password."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = f'version: 0.1\nhttp: {{addr: "127.0.0.1:{port}"}}\n'
    settings += f"storage: {{filesystem: {{rootdirectory: {folder}/blobs}}}}\n"
    if guarded:
        settings += f"auth: {{htpasswd: {{realm: devenv, path: {folder}/htpasswd}}}}\n"
    (folder / "registry.yml").write_text(settings)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", folder / "registry.yml"], stdout=log, stderr=log)
    try:
        await_registry(port, process, folder / "log")
        with loopback_link(port, namespace=engine.namespace, port=port):
            yield Registry(port)
    finally:
        process.terminate()
        process.wait(timeout=10)


def await_registry(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 15
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1):
                return
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, "the registry does not answer"


@pytest.fixture(scope="module")
def engine_beside(docker_client: Any) -> Iterator[SecondEngine]:
    """An engine with no image at all, whose mirror is CI's registry."""
    with second_engine(mirror=MIRROR) as engine, loopback_link(MIRROR, namespace=engine.namespace, port=MIRROR):
        yield engine


@pytest.fixture(autouse=True)
def _without_images(engine_beside: SecondEngine) -> Iterator[None]:
    """The next test pulls again what a test pulled."""
    yield
    client = engine_beside.client()
    for image in client.images.list():
        client.images.remove(image.id, force=True)
    client.close()


@pytest.fixture(scope="module")
def registry(
    tmp_path_factory: pytest.TempPathFactory,
    docker_client: Any,
    engine_beside: SecondEngine,
) -> Iterator[Registry]:
    """A registry that holds the tiny image; the engine beside holds it no more."""
    with serve_registry(tmp_path_factory.mktemp("registry"), engine_beside) as registry:
        hand_over_tiny(docker_client, engine_beside, registry)
        yield registry


def hand_over_tiny(docker_client: Any, engine_beside: SecondEngine, registry: Registry) -> None:
    """Give the registry the image by way of the engine beside, which does not keep it."""
    client = engine_beside.client()
    import_tiny(client, tiny_tree(docker_client, JAEGER_IMAGE))
    image = client.images.get(TINY)
    image.tag(registry.name("devenv-ci/tiny"), "1")
    client.images.push(registry.name("devenv-ci/tiny"), "1")
    client.images.remove(registry.name(TINY))
    client.images.remove(TINY)
    client.close()


@pytest.fixture(scope="module")
def guarded_registry(tmp_path_factory: pytest.TempPathFactory, engine_beside: SecondEngine) -> Iterator[Registry]:
    with serve_registry(tmp_path_factory.mktemp("guarded"), engine_beside, guarded=True) as registry:
        yield registry


@pytest.fixture
async def engine(engine_beside: SecondEngine) -> AsyncIterator[DockerEngine]:
    engine = engine_beside.connect()
    yield engine
    await engine.close()


async def pull(engine: DockerEngine, reference: str) -> tuple[str, list[Progress]]:
    steps: list[Progress] = []
    return await engine.pull(reference, platform=None, progress=steps.append), steps


async def test_an_unknown_image_is_missing_and_named(engine: DockerEngine, registry: Registry) -> None:
    reference = registry.name("devenv-ci/nothing:7")
    with pytest.raises(ImageMissing, match=reference) as caught:
        await pull(engine, reference)
    assert caught.value.hint
    assert not await engine.registry_has(reference)


async def test_an_unknown_tag_of_a_known_image_is_missing(engine: DockerEngine, registry: Registry) -> None:
    with pytest.raises(ImageMissing, match="tiny:8"):
        await pull(engine, registry.name("devenv-ci/tiny:8"))


async def test_a_registry_that_is_not_there_refuses_the_pull(engine: DockerEngine) -> None:
    reference = "127.0.0.1:9/devenv-ci/tiny:1"  # nothing else runs in that engine's network
    with pytest.raises(PullFailed, match=reference) as caught:
        await pull(engine, reference)
    assert "refused" in caught.value.message
    assert caught.value.hint
    assert not await engine.registry_has(reference)


async def test_a_registry_that_wants_a_password_refuses_the_pull(
    engine: DockerEngine, guarded_registry: Registry
) -> None:
    reference = guarded_registry.name("devenv-ci/tiny:1")
    with pytest.raises(PullFailed, match=reference) as caught:
        await pull(engine, reference)
    assert "login" in caught.value.hint


async def test_a_slow_pull_shows_its_progress_and_can_be_given_up(
    engine: DockerEngine, engine_beside: SecondEngine, registry: Registry
) -> None:
    with loopback_link(registry.port, namespace=engine_beside.namespace, bytes_per_second=100_000) as port:
        reference = f"127.0.0.1:{port}/{TINY}"
        partial = asyncio.Event()

        def watch(step: Progress) -> None:
            if 0 < step.done < step.total:
                partial.set()

        task = asyncio.create_task(engine.pull(reference, platform=None, progress=watch))
        async with asyncio.timeout(30):
            await partial.wait()
        assert not task.done(), "the whole image came at once"
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await engine.image_id(reference) is None


async def test_a_pull_gives_the_image_and_ends_its_progress_at_the_total(
    engine: DockerEngine, registry: Registry
) -> None:
    reference = registry.name(TINY)
    assert await engine.registry_has(reference)
    image, steps = await pull(engine, reference)
    assert image == await engine.image_id(reference)
    assert any(step.total > 1_000_000 for step in steps)


@pytest.mark.parametrize("name", ["python:3.12-slim", JAEGER_IMAGE])
async def test_an_unmodified_name_is_pulled_from_the_mirror(engine: DockerEngine, name: str) -> None:
    assert await engine.image_id(name) is None
    image, steps = await pull(engine, name)
    assert image == await engine.image_id(name)
    assert any(step.total > 10_000_000 for step in steps)


STACK = """
name: faults
services:
  backend:
    image: IMAGE
    command: [sleep, "600"]
    x-devenv: {role: trace-backend}
"""


def command_line(folder: Path, engine: SecondEngine, image: str) -> Devenv:
    stack = folder / "compose.yaml"
    stack.write_text(STACK.replace("IMAGE", image))
    return Devenv(folder, "docker", files=(stack,), environ={"DOCKER_HOST": engine.address})


def test_up_names_the_image_that_is_nowhere(tmp_path: Path, engine_beside: SecondEngine, registry: Registry) -> None:
    reference = registry.name("devenv-ci/nothing:7")
    error = command_line(tmp_path, engine_beside, reference).json("up", code=3)["error"]
    assert error["kind"] == "ImageMissing"
    assert reference in error["message"]
    assert error["hint"]


def test_up_says_that_the_registry_refused(tmp_path: Path, engine_beside: SecondEngine) -> None:
    error = command_line(tmp_path, engine_beside, "127.0.0.1:9/devenv-ci/tiny:1").json("up", code=3)["error"]
    assert error["kind"] == "PullFailed"
    assert "127.0.0.1:9" in error["message"]


def test_auto_takes_processes_where_the_images_cannot_be_had(tmp_path: Path, engine_beside: SecondEngine) -> None:
    tool = command_line(tmp_path, engine_beside, "127.0.0.1:9/devenv-ci/tiny:1")
    tool.engine = "auto"
    try:
        up = tool.json("up", "--isolated", "--no-canary")
        assert up["engine"] == "process"
        assert "127.0.0.1:9/devenv-ci/tiny:1: not available locally or from the registry" in up["engine_reason"]
        said = tool.run("up", "--isolated", "--no-canary").stderr
        assert "engine process: the project already runs on it" in said
    finally:
        tool.down()


def test_up_shows_how_far_a_slow_pull_has_come_and_waits_for_it(
    tmp_path: Path, engine_beside: SecondEngine, registry: Registry
) -> None:
    with loopback_link(registry.port, namespace=engine_beside.namespace, bytes_per_second=250_000) as port:
        reference = f"127.0.0.1:{port}/{TINY}"
        devenv = command_line(tmp_path, engine_beside, reference)
        up = devenv.run("up", "--no-canary")
        devenv.down()
    assert up.returncode == 0, up.stderr
    told = [line for line in up.stderr.splitlines() if reference in line]
    assert len(told) > 2, up.stderr
    assert any("% of " in line for line in told), told


async def test_a_registry_that_falls_silent_is_given_up(engine_beside: SecondEngine, registry: Registry) -> None:
    with loopback_link(registry.port, namespace=engine_beside.namespace, bytes_per_second=0.1) as port:
        engine = engine_beside.connect(pull_silence=2)
        with pytest.raises(PullFailed, match="no progress for 2 s"):
            await pull(engine, f"127.0.0.1:{port}/{TINY}")
        await engine.close()
