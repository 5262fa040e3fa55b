"""A stack inside an installed devenv cannot be built: reported at once, and `auto` does not fail because of it."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote

import pytest

from devenv.app import engines
from devenv.app.engines import choose
from devenv.app.invocation import Invocation, read_stack
from devenv.app.required_images import base_images, cannot_be_built_here
from devenv.engine.process.engine import CAPABILITIES as PROCESSES
from devenv.engine.process.launching import refuse_what_cannot_be
from devenv.errors import ImageMissing, UsageError
from devenv.model.identity import LABEL_DIRECTORY, LABEL_PROJECT, identify
from devenv.model.stack import Build, Service, Stack
from devenv.model.state import ObservedInstance, ObservedObject, ObservedState, State
from devenv.stack import discovery, shipped_stacks
from devenv.testing.fake_engine import CONTAINERS


class Engine:
    """Answers, and has every image."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.closed = False

    missing: ClassVar[set[str]] = set()

    async def image_id(self, reference: str) -> str | None:
        return None if reference in self.missing else f"id of {reference}"

    async def registry_has(self, reference: str) -> bool:
        return False

    def check(self, service: Service, stack: Stack) -> None:
        refuse_what_cannot_be(service)

    async def info(self) -> Engine:
        return self

    version, product, address = "20.10", "", "unix:///run/podman/podman.sock"

    async def close(self) -> None:
        self.closed = True

    async def observe(self, project: object) -> ObservedState:
        del project
        return ObservedState(instances=self.running)

    running: tuple[ObservedInstance, ...] = ()


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


@pytest.mark.parametrize(("engine", "before"), [("auto", "docker: "), ("docker", "docker: requested; ")])
async def test_podman_is_named_with_its_socket(tmp_path, connected, monkeypatch, engine, before):
    monkeypatch.setattr(Engine, "product", "Podman")
    invocation = Invocation(directory=tmp_path, engine=engine)
    loaded = read_stack(invocation)
    choice = await choose(invocation, loaded.project, stack=loaded.stack, recorded=None)
    assert choice.reason == f"{before}Podman 20.10 is available at unix:///run/podman/podman.sock"


@pytest.fixture
def without_jaeger(monkeypatch):
    monkeypatch.setattr(Engine, "missing", {"jaegertracing/jaeger:2.13.0"})


async def chosen(directory, service):
    (directory / "compose.yaml").write_text(f"services: {{web: {{{service}}}}}\n")
    invocation = Invocation(directory=directory)
    loaded = read_stack(invocation)
    return await choose(invocation, loaded.project, stack=loaded.stack, recorded=None)


async def test_a_missing_image_is_told_as_such_if_processes_cannot_replace_it(tmp_path, connected, without_jaeger):
    with pytest.raises(ImageMissing, match=r"jaeger:2\.13\.0: not available locally or") as caught:
        await chosen(tmp_path, "image: 'shop:1'")
    assert "`docker pull jaegertracing/jaeger:2.13.0`" in caught.value.hint
    assert "`docker tag`" in caught.value.hint
    assert "add x-devenv.process to web and use `--engine process`" in caught.value.hint
    assert "start a Docker engine" not in caught.value.hint


async def test_a_missing_image_makes_auto_take_processes_if_they_can_replace_it(tmp_path, connected, without_jaeger):
    choice = await chosen(tmp_path, "x-devenv: {process: {command: python app.py}}")
    assert choice.engine.name == "process"


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


def of(directory: Path) -> tuple[ObservedInstance, ...]:
    """An instance of the project in a directory."""
    labels = {LABEL_PROJECT: "p-1", LABEL_DIRECTORY: str(directory)}
    instance = ObservedInstance(
        id="1", name="p-1-web-1", service="web", index=1, state=State.RUNNING, config_hash="", labels=labels
    )
    return (instance,)


async def test_a_project_without_its_record_stays_on_docker(installed, connected, monkeypatch):
    """Its stack could not be started there now, but it runs there."""
    monkeypatch.setattr(Engine, "running", of(installed))
    loaded = read_stack(Invocation(directory=installed))
    choice = await choose(Invocation(directory=installed), loaded.project, stack=loaded.stack, recorded=None)
    assert choice.reason == "docker: the project already runs on it"
    assert [engine.name for engine in connected] == ["docker"]


@pytest.mark.parametrize("asked", ["auto", "process", "docker"])
async def test_a_project_without_its_record_stays_on_the_process_engine(tmp_path, connected, monkeypatch, asked):
    import devenv.engine.process as engine_package

    class Running(Engine):
        def __init__(self, project: object, environ: object) -> None:
            del project, environ
            super().__init__("process")

        running = of(tmp_path)

    monkeypatch.setattr(engine_package, "ProcessEngine", Running)
    invocation = Invocation(directory=tmp_path, engine=asked)
    project = identify(tmp_path)
    if asked == "docker":
        with pytest.raises(UsageError, match="already runs on the process engine, not on docker"):
            await choose(invocation, project, stack=None, recorded=None)
        return
    choice = await choose(invocation, project, stack=None, recorded=None)
    assert choice.reason == "process: the project already runs on it"
    assert [engine.name for engine in connected] == ["process"]


class Containers(Engine):
    """Docker."""

    capabilities = CONTAINERS


@pytest.fixture
def both(connected, monkeypatch, tmp_path) -> dict[str, tuple[ObservedInstance, ...]]:
    """What Docker and the process engine run, by name; Docker answers at another machine's address."""
    import devenv.engine.process as engine_package

    what: dict[str, tuple[ObservedInstance, ...]] = {}

    def make(name: str) -> Engine:
        engine = Containers(name)
        engine.running = what.get(name, ())
        connected.append(engine)
        return engine

    async def connect(name, project, environ):
        return make(name)

    monkeypatch.setattr(engines, "connect", connect)
    monkeypatch.setattr(engine_package, "ProcessEngine", lambda project, environ: make("process"))
    return what


@pytest.fixture
def environ() -> dict[str, str]:
    return {"DOCKER_HOST": "tcp://192.0.2.1:2375"}


@pytest.mark.parametrize("of_command", ["up", "down"])
async def test_processes_asked_for_by_name_make_no_second_copy_of_what_runs_on_docker(
    tmp_path, connected, both, environ, of_command
):
    """Its record was removed, as `git clean -fdx` does."""
    both["docker"] = of(tmp_path)
    (tmp_path / "compose.yaml").write_text("services: {web: {image: web, x-devenv: {process: {command: web}}}}\n")
    invocation = Invocation(directory=tmp_path, engine="process", environ=environ)
    stack = read_stack(invocation).stack if of_command == "up" else None
    with pytest.raises(UsageError, match="already runs on the docker engine, not on process"):
        await choose(invocation, identify(tmp_path), stack=stack, recorded=None)
    assert all(engine.closed for engine in connected if engine.name == "docker")


async def test_volumes_that_down_kept_are_not_a_project_that_runs(tmp_path, both, environ, monkeypatch):
    async def observe(self, project):
        kept = ObservedObject(id="data", name="data", key="data", labels={LABEL_DIRECTORY: str(tmp_path)})
        return ObservedState(volumes=(kept,) if self.name == "docker" else ())

    monkeypatch.setattr(Engine, "observe", observe)
    choice = await choose(
        Invocation(directory=tmp_path, engine="process", environ=environ), identify(tmp_path), stack=None, recorded=None
    )
    assert (choice.reason, choice.unknown) == ("process: requested", "")


async def test_without_dockers_socket_nothing_is_looked_for(tmp_path, connected, both):
    both["docker"] = of(tmp_path)
    environ = {"DOCKER_HOST": f"unix://{tmp_path}/nosuch.sock"}
    invocation = Invocation(directory=tmp_path, engine="process", environ=environ)
    await choose(invocation, identify(tmp_path), stack=None, recorded=None)
    assert "docker" not in [engine.name for engine in connected]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('[{"Labels": {"devenv.project": "shop-1a2b3c"}}]', "already runs"),
        ("[]", ""),
        ('{"message": "client version too old"}', ""),
        ("<html>", ""),
    ],
)
async def test_a_local_docker_is_asked_over_its_socket_without_the_client(
    tmp_path, connected, both, body, expected, monkeypatch
):
    asked = []

    async def answer(reader, writer):
        asked.append(await reader.readline())
        writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + body.encode())
        writer.close()

    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    async with await asyncio.start_unix_server(answer, "d.sock"):
        invocation = Invocation(directory=tmp_path, engine="process", environ={"DOCKER_HOST": "unix://d.sock"})
        if expected:
            with pytest.raises(UsageError, match="shop already runs on the docker engine"):
                await choose(invocation, identify(tmp_path), stack=None, recorded=None)
        else:
            choice = await choose(invocation, identify(tmp_path), stack=None, recorded=None)
            assert choice.unknown == ""
    assert unquote(asked[0].decode()) == (
        f'GET /containers/json?all=true&filters={{"label": ["devenv.directory={tmp_path.resolve()}"]}} HTTP/1.0\r\n'
    )
    assert "docker" not in [engine.name for engine in connected]


async def test_an_engine_that_does_not_respond_leaves_it_unknown(tmp_path, both, environ, monkeypatch):
    async def observe(self, project):
        if self.name == "docker":
            await asyncio.Event().wait()
        return ObservedState()

    monkeypatch.setattr(Engine, "observe", observe)
    monkeypatch.setattr(engines, "LOOK_TIMEOUT", 0.01)
    invocation = Invocation(directory=tmp_path, engine="process", environ=environ)
    choice = await choose(invocation, identify(tmp_path), stack=None, recorded=None)
    assert choice.unknown == "whether the project runs on Docker is not known: no response within 0.01 s"
    assert choice.reason == f"process: requested; {choice.unknown}"


@pytest.mark.parametrize("first", ["docker", "process"])
async def test_a_project_on_both_engines_is_found_on_the_second(tmp_path, both, environ, monkeypatch, first):
    second = {"docker": "process", "process": "docker"}[first]
    here = Engine(first)
    monkeypatch.setattr(here, "capabilities", CONTAINERS if first == "docker" else PROCESSES, raising=False)
    assert await engines.other_engine(here, identify(tmp_path), environ) is None
    both[second] = of(tmp_path)
    found = await engines.other_engine(here, identify(tmp_path), environ)
    assert found is not None
    assert found.name == second


def test_an_image_that_the_stack_builds_for_another_build_is_not_looked_for(tmp_path):
    text = "FROM common\nFROM tools\nFROM lib\nFROM python:3.12\n"
    contexts = {"common": "service:common", "tools": "docker-image://tools:1", "lib": "/lib"}
    build = Build(context=tmp_path, dockerfile_inline=text, additional_contexts=contexts)
    assert base_images(build) == ("tools:1", "python:3.12")
