"""`devenv init`: the project that it creates builds and runs on each engine, and an existing one runs as before."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from devenv_cli import ROOT, SERVICES, Devenv, get_json

NAME = "devenv-init-e2e"
BUILD = {"BUILD_NETWORK": os.environ.get("BUILD_NETWORK", "host")}


@dataclass
class Installed(Devenv):
    """The `devenv` of another environment: its script, because `-m devenv` would find the one of this directory."""

    script: Path = Path("devenv")

    def command(self, *arguments: str) -> list[str]:
        return [str(self.script), "-C", str(self.directory), *arguments]


@pytest.fixture
def project(engine: str, tmp_path: Path) -> Iterator[Devenv]:
    """A project that `devenv init DIR` made, of a directory with what a new repository begins with."""
    here = Devenv(tmp_path, engine, files=())
    (tmp_path / NAME).mkdir()
    for name in ("README.md", ".gitignore", ".dockerignore", "LICENSE"):
        (tmp_path / NAME / name).write_text("# mine\n")
    made = here.json("init", NAME)
    assert [note.split(";")[0] for note in made["notes"]] == ["kept README.md", "kept .dockerignore", "kept .gitignore"]
    tool = Devenv(tmp_path / NAME, engine, files=(), environ=BUILD)
    assert made["directory"] == str(tool.directory)
    yield tool
    tool.down()
    if engine == "docker":
        subprocess.run(["docker", "image", "rm", "--force", f"{NAME}:latest"], capture_output=True, check=True)


def runs(tool: Devenv) -> Any:
    """Up, a short load, down: everything is traced and nothing is left."""
    up = tool.json("up")
    assert up["canary"]["verdict"] == "complete", up
    assert set(up["canary"]["services"]) == SERVICES
    assert up["project"].startswith(f"{NAME}-")
    run = tool.json("load", "--rps", "20", "--duration", "2s", "--fail", "traced==100%", "--fail", "errors<1%")
    assert run["traces"]["complete"] == run["sent"] == 40
    down = tool.json("down")
    assert down["left"] == []
    return up


def layer_of_the_packages() -> str:
    """Id of the image's layer that installs the library and what the services import."""
    command = ["docker", "image", "history", "--no-trunc", "--format", "{{.ID}} {{.CreatedBy}}", f"{NAME}:latest"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    (found,) = [line.split()[0] for line in lines if "pip install" in line]
    return found


def test_the_project_runs(project: Devenv, engine: str) -> None:
    up = runs(project)
    assert up["engine"] == engine
    if engine == "docker":
        before = layer_of_the_packages()
        assert before.startswith("sha256:")
        service = project.directory / "user" / "app.py"
        service.write_text(service.read_text() + "\n# edited\n")
        assert project.json("up", "--build")["canary"]["verdict"] == "complete"
        assert layer_of_the_packages() == before
        edited = ["docker", "run", "--rm", f"{NAME}:latest", "tail", "-n1", "user/app.py"]
        assert subprocess.run(edited, capture_output=True, text=True, check=True).stdout == "# edited\n"


@pytest.mark.docker
def test_docker_compose_runs_the_project(tmp_path: Path) -> None:
    if subprocess.run(["docker", "compose", "version"], capture_output=True).returncode != 0:
        pytest.skip("docker has no compose plugin; `.ci/go-build compose` makes it")
    Devenv(tmp_path, "docker", files=()).json("init", NAME)
    environment = {**os.environ, **BUILD, "DOCKER_BUILDKIT": "0"}

    def compose(*arguments: str) -> str:
        done = subprocess.run(
            ["docker", "compose", *arguments],
            cwd=tmp_path / NAME,
            env=environment,
            capture_output=True,
            text=True,
            timeout=280,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    assert f"image: {NAME}:latest" in compose("config")
    try:
        compose("up", "--detach", "--wait", "--build")
        assert get_json("http://127.0.0.1:8080/readyz")
        assert set(compose("ps", "--services").split()) == {*SERVICES, "jaeger"}
    finally:
        compose("down", "--volumes", "--timeout", "1", "--rmi", "local")
        subprocess.run(["docker", "image", "rm", "--force", f"{NAME}:latest"], capture_output=True, check=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole distribution, as it would be published."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=120)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, package_registry: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script of a new environment in which `devenv-otel[cli]` is installed from that wheel."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=120)
    python = str(folder / "bin" / "python")
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"{wheel}[cli]"]
    done = subprocess.run(install, capture_output=True, text=True, timeout=280)
    if "No matching distribution" in done.stderr or "connection" in done.stderr.lower():
        pytest.skip("no package registry answers")
    assert done.returncode == 0, done.stderr
    return folder / "bin" / "devenv"


def test_an_installed_devenv_makes_a_project_and_runs_it(installed: Path, tmp_path: Path) -> None:
    here = Installed(tmp_path, "process", script=installed)
    made = here.json("init", NAME)
    tool = Installed(tmp_path / NAME, "process", script=installed)
    try:
        runs(tool)
    finally:
        tool.down()
    # A wheel and a checkout make the same project, the library's bytes included.
    assert Devenv(tmp_path, "process", files=()).json("init", "other", "--name", NAME)["files"] == made["files"]
    for name in made["files"]:
        assert (tmp_path / "other" / name).read_bytes() == (tmp_path / NAME / name).read_bytes(), name


def test_an_installed_devenv_runs_the_sample_where_no_project_is(installed: Path, tmp_path: Path) -> None:
    tool = Installed(tmp_path, "process", script=installed)
    try:
        assert tool.json("up")["canary"]["verdict"] == "complete"
        shown = tool.json("stacks")["stacks"]
        assert [stack["name"] for stack in shown] == ["broken", "minimal", "sample", "shop"]
        assert all("site-packages" in stack["files"][0] for stack in shown)
        assert [stack["name"] for stack in shown if stack["default"]] == ["sample"]
    finally:
        tool.down()


@pytest.mark.docker
def test_an_installed_devenv_says_that_its_sample_cannot_be_built(installed: Path, tmp_path: Path) -> None:
    tool = Installed(tmp_path, "docker", script=installed)
    try:
        error = tool.json("up", code=2)["error"]
        assert "cannot build images" in error["message"]
        assert "devenv init" in error["hint"]
        tool.engine = "auto"
        up = tool.json("up")
        assert (up["engine"], up["canary"]["verdict"]) == ("process", "complete")
        assert "devenv init" in up["engine_reason"]
    finally:
        tool.down()


SHOP = """\
# The shop, as its team wrote it.
x-defaults: &defaults
  restart: unless-stopped

services:
  # The front: what customers see.
  web:
    <<: *defaults
    build: web
    ports: ["127.0.0.1:18080:8000"]
    environment: { API_URL: "http://api:9000", CACHE_URL: "redis://cache:6379/0" }
    depends_on: [api, cache]

  api:
    <<: *defaults
    image: python:3.12-slim
    command: [python, -m, http.server, "9000"]
    ports: ["127.0.0.1:19000:9000"]
    depends_on:
      db: { condition: service_started }

  db:
    image: postgres:16
    environment: { POSTGRES_PASSWORD: secret }
    ports: ["127.0.0.1:15432:5432"]
    volumes: [data:/var/lib/postgresql/data]
  cache:
    image: redis:7

volumes:
  data: # outlives the containers
"""

BACKENDS = """\
services:
  site:
    image: nginx:1.27
    ports:
      - "127.0.0.1:18081:80"
    depends_on: [orders]
  orders:
    image: ghcr.io/example/orders:3
    environment:
      - OTEL_EXPORTER_OTLP_ENDPOINT=http://tracing:4317
      - OTEL_SERVICE_NAME=orders
    depends_on: [queue, tracing]
  queue:
    image: rabbitmq:3-management
    ports: ["127.0.0.1:15672:15672"]
  tracing:
    image: jaegertracing/all-in-one:1.60
    ports: ["127.0.0.1:16687:16686"]
"""


@pytest.mark.parametrize(
    ("text", "entrypoint", "tracing"),
    [
        (SHOP, "web", {"web": "added", "api": "added", "db": "infrastructure", "cache": "infrastructure"}),
        (
            BACKENDS,
            "site",
            {"site": "added", "orders": "own", "queue": "infrastructure", "tracing": "trace-backend"},
        ),
    ],
    ids=["shop", "backends"],
)
def test_an_existing_project_is_prepared(tmp_path: Path, text: str, entrypoint: str, tracing: dict[str, str]) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "Dockerfile").write_text("FROM python:3.12-slim\nCMD python -m http.server 8000\n")
    file = tmp_path / "compose.yaml"
    file.write_text(text)
    tool = Devenv(tmp_path, "process", files=())
    dry = tool.json("init", "--from", "compose.yaml", "--dry-run")
    assert file.read_text() == text
    done = tool.json("init", "--from", "compose.yaml", "--library")
    assert done["diff"] == dry["diff"]
    assert [line for line in done["diff"].splitlines()[2:] if line.startswith("-")] == []
    assert {part["name"]: part["tracing"] for part in done["services"]} == tracing
    config = tool.json("config")["config"]
    assert config["x-devenv"]["entrypoint"] == entrypoint == done["entrypoint"]
    assert len(list((tmp_path / "vendor").glob("devenv_otel-*.whl"))) == 1
    again = tool.json("init", "--from", "compose.yaml", "--library")
    assert (again["changed"], again["files"]) == (False, [])


@pytest.mark.docker
def test_a_prepared_project_can_be_brought_up(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "Dockerfile").write_text("FROM python:3.12-slim\nCMD python -m http.server 8000\n")
    (tmp_path / "compose.yaml").write_text(SHOP)
    tool = Devenv(tmp_path, "docker", files=())
    tool.json("init", "--from", "compose.yaml", "--canary-path", "/health")
    plan = tool.json("up", "--dry-run")
    created = [action["target"] for action in plan["actions"] if action["action"] == "create"]
    for name in ("web", "api", "db", "cache", "jaeger"):
        assert any(f"-{name}-" in target for target in created), plan
