"""A stack inside an installed devenv cannot be built: reported at once, and `auto` does not fail because of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from devenv.app import engines
from devenv.app.engines import choose
from devenv.app.invocation import Invocation, read_stack
from devenv.app.required_images import cannot_be_built_here
from devenv.errors import UsageError
from devenv.stack import discovery, shipped_stacks


class Engine:
    """Answers, and has every image."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.closed = False

    async def image_id(self, reference: str) -> str:
        return f"id of {reference}"

    async def info(self) -> Engine:
        return self

    version = "20.10"

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
def connected(monkeypatch) -> list[Engine]:
    """Engines in the order in which they were connected to."""
    found: list[Engine] = []

    async def connect(name, project, environ):
        found.append(Engine(name))
        return found[-1]

    monkeypatch.setattr(engines, "connect", connect)
    return found


@pytest.fixture
def installed(tmp_path, monkeypatch) -> Path:
    """An empty directory, and devenv as a wheel has it: the stacks without the sources beside them."""
    stacks = tmp_path / "site-packages" / "devenv" / "_stacks"
    shutil.copytree(shipped_stacks(), stacks)
    monkeypatch.setattr(discovery, "shipped_stacks", lambda: stacks)
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


async def test_auto_takes_processes_and_says_why(installed, connected):
    invocation = Invocation(directory=installed)
    loaded = read_stack(invocation)
    choice = await choose(invocation, loaded.project, stack=loaded.stack, recorded=None)
    assert [engine.name for engine in connected] == ["docker", "process"]
    assert connected[0].closed
    assert choice.engine is connected[1]
    assert choice.reason.startswith("process: a Docker engine is available, but the sample stack")
    assert "devenv init" in choice.reason


async def test_docker_asked_for_by_name_is_told_to_init_first(installed, connected):
    invocation = Invocation(directory=installed, engine="docker")
    loaded = read_stack(invocation)
    with pytest.raises(UsageError, match="cannot build images") as caught:
        await choose(invocation, loaded.project, stack=loaded.stack, recorded=None)
    assert "`devenv init DIR`" in caught.value.hint
    assert connected == []


async def test_in_a_checkout_the_sample_is_built(tmp_path, connected):
    invocation = Invocation(directory=tmp_path)
    loaded = read_stack(invocation)
    choice = await choose(invocation, loaded.project, stack=loaded.stack, recorded=None)
    assert choice.reason == "docker: version 20.10 is available"


def test_a_users_own_stack_without_its_dockerfile_is_not_meant(installed):
    """The build says so, with the Dockerfile's name; a silent fall back to processes would hide it."""
    (installed / "compose.yaml").write_text("services: {web: {build: ., ports: ['1:1']}}\n")
    assert cannot_be_built_here(read_stack(Invocation(directory=installed)).stack) == ""


async def test_auto_takes_the_embedded_backend_for_a_stack_that_wants_a_token(tmp_path, connected):
    """Jaeger has no login."""
    (tmp_path / "compose.yaml").write_text(
        "services: {web: {image: web, x-devenv: {process: {command: web}}}}\nx-devenv: {backend: {access: token}}\n"
    )
    invocation = Invocation(directory=tmp_path)
    loaded = read_stack(invocation)
    choice = await choose(invocation, loaded.project, stack=loaded.stack, recorded=None)
    assert [engine.name for engine in connected] == ["docker", "process"]
    assert "x-devenv.backend.access: token" in choice.reason
