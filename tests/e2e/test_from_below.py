"""A sub-directory of a project: every command acts on the project above it, on each engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from devenv_cli import ROOT, Devenv

STACK = """
services:
  web:
    image: devenv-sample:latest
    build: {{ context: "{root}", dockerfile: stacks/sample/Dockerfile }}
    command: [python, -m, user.app]
    ports: ["127.0.0.1:8082:8082"]
    x-devenv:
      ready: {{ tcp: true, timeout: 60s }}
      process: {{ command: python -m user.app, cwd: "{root}/stacks/sample" }}
x-devenv:
  canary: {{ path: /users, headers: {{ x-account-id: "1" }}, services: [web] }}
"""


@pytest.fixture
def project(engine: str, tmp_path: Path) -> Iterator[Devenv]:
    (tmp_path / "compose.yaml").write_text(STACK.format(root=ROOT))
    (tmp_path / "src" / "api").mkdir(parents=True)
    found = Devenv(tmp_path, engine, files=())
    yield found
    found.down()


def test_commands_below_act_on_the_project_above(project: Devenv) -> None:
    below = Devenv(project.directory / "src" / "api", project.engine, files=())
    plan = below.run("up", "--dry-run")
    assert plan.stderr.splitlines()[0].endswith(f"using the project above, in {project.directory}"), plan.stderr
    assert not (project.directory / ".devenv").exists(), "a dry run writes nothing"
    up = below.json("up")
    assert [service["name"] for service in up["services"] if service["name"] != "jaeger"] == ["web"]
    assert not (below.directory / ".devenv").exists()
    assert below.json("status")["project"] == project.json("status")["project"] == up["project"]
    assert below.json("open", "web")["url"].startswith("http://127.0.0.1:8082")
    assert below.run("exec", "web", "--", "true").returncode == 0
    assert below.run("logs", "web").returncode == 0
    run = below.json("load", "--rps", "5", "--duration", "1s")
    assert run["sent"] == 5
    assert project.json("runs", "list")["runs"][0]["run_id"] == run["run_id"]
    assert below.json("restart", "web")["services"]
    down = below.json("down")
    assert any("web" in name for names in down["removed"].values() for name in names), down
    assert project.json("status", code=3)["error"]["kind"] == "NotUp"


def test_the_record_of_a_project_without_a_stack_file_is_found_from_below(project: Devenv) -> None:
    file = project.directory / "compose.yaml"
    other = file.rename(project.directory / "other.yaml")
    Devenv(project.directory, project.engine, files=(other,)).json("up")
    below = Devenv(project.directory / "src", project.engine, files=())
    assert below.json("status")["services"]
    assert below.json("down")["left"] == []


def test_an_empty_folder_says_that_the_sample_runs(engine: str, tmp_path: Path) -> None:
    done = Devenv(tmp_path, engine, files=()).run("up", "--dry-run")
    assert f"no stack file in {tmp_path} or above it: using the shipped sample" in done.stderr.splitlines()[0]
    document = json.loads(Devenv(tmp_path, engine, files=()).run("config", "--json").stdout)
    assert "shipped sample" in document["notice"]
