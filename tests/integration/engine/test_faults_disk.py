"""An engine whose disk is nearly full: what cannot be written is said to be that, and not something else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from devenv_cli import Devenv
from second_engine import TINY, SecondEngine, import_tiny, second_engine, tiny_tree

from devenv.contract.specification import BuildSpec
from devenv.engine.docker import DockerEngine
from devenv.errors import BuildFailed, DiskFull
from devenv.model.stack import Build

pytestmark = pytest.mark.docker

JAEGER_IMAGE = "jaegertracing/jaeger:2.13.0"
MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def small_engine(docker_client: Any) -> Iterator[SecondEngine]:
    with second_engine(disk="48m") as engine:
        client = engine.client()
        import_tiny(client, tiny_tree(docker_client, JAEGER_IMAGE))
        client.close()
        yield engine


@pytest.fixture
async def engine(small_engine: SecondEngine) -> AsyncIterator[DockerEngine]:
    engine = small_engine.connect()
    yield engine
    await engine.close()


async def build(engine: DockerEngine, context: Path, dockerfile: str) -> str:
    (context / "Dockerfile").write_text(dockerfile)
    return await engine.build(
        BuildSpec(build=Build(context=context), tag="devenv-ci/big:1", labels={}), progress=lambda _: None
    )


async def assert_usable_again(engine: DockerEngine, context: Path, small: SecondEngine) -> None:
    """What the failed build wrote is gone: a small one passes, and no container of it is left."""
    (context / "big").unlink(missing_ok=True)
    assert await build(engine, context, f"FROM {TINY}\nRUN echo small > /small\n")
    client = small.client()
    assert client.containers.list(all=True) == []
    client.close()


async def test_a_build_step_that_fills_the_disk(
    engine: DockerEngine, small_engine: SecondEngine, tmp_path: Path
) -> None:
    with pytest.raises(DiskFull) as caught:
        await build(engine, tmp_path, f"FROM {TINY}\nRUN busybox dd if=/dev/zero of=/big bs=1M count=100\n")
    assert caught.value.exit_code == 3
    assert caught.value.hint
    await assert_usable_again(engine, tmp_path, small_engine)


async def test_a_build_context_that_does_not_fit(
    engine: DockerEngine, small_engine: SecondEngine, tmp_path: Path
) -> None:
    with (tmp_path / "big").open("wb") as file:
        file.truncate(100 * MEGABYTE)
    with pytest.raises(DiskFull):
        await build(engine, tmp_path, f"FROM {TINY}\nCOPY big /big\n")
    await assert_usable_again(engine, tmp_path, small_engine)


async def test_a_build_that_fails_for_another_reason_is_not_a_full_disk(engine: DockerEngine, tmp_path: Path) -> None:
    with pytest.raises(BuildFailed) as caught:
        await build(engine, tmp_path, f"FROM {TINY}\nRUN echo the cause of it && false\n")
    assert "the cause of it" in str(caught.value.details)


STACK = f"""
name: faults
services:
  backend:
    image: {TINY}
    command: [sleep, "600"]
    x-devenv: {{role: trace-backend}}
  web:
    build: .
"""


def test_up_says_that_the_disk_is_full(small_engine: SecondEngine, tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(STACK)
    (tmp_path / "Dockerfile").write_text(f"FROM {TINY}\nRUN busybox dd if=/dev/zero of=/big bs=1M count=100\n")
    address = {"DOCKER_HOST": small_engine.address}
    devenv = Devenv(tmp_path, "docker", files=(tmp_path / "compose.yaml",), environ=address)
    error = devenv.json("up", code=3)["error"]
    assert error["kind"] == "DiskFull"
    assert "web" in error["message"]
    assert "No space left on device" in str(error["details"]["output"])
    assert devenv.json("down")["left"] == []
