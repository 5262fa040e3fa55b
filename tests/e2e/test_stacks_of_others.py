"""Stacks beyond the sample: a service that is not Python, a file without tracing, history that outlives `down`."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from devenv_cli import ROOT, SAMPLE, Devenv, find_trace, get_json, services_of

POLYGLOT = ROOT / "tests" / "fixtures" / "stacks" / "polyglot" / "compose.yaml"

PLAIN = """
services:
  web:
    image: devenv-sample:latest
    build: {{ context: "{root}", dockerfile: stacks/sample/Dockerfile }}
    command: [python, -m, user.app]
    ports: ["127.0.0.1:8082:8082"]
    healthcheck: {{ test: [CMD, python, healthcheck.py, user], interval: 1s }}
    x-devenv:
      process: {{ command: python -m user.app, cwd: "{root}/stacks/sample" }}
x-devenv:
  canary: {{ path: /users, headers: {{ x-account-id: "1" }}, services: [web] }}
"""

UNTRACED = """
services:
  web:
    image: python:3.12-slim
    command: python -m http.server 8000
    ports: ["127.0.0.1:8000:8000"]
    x-devenv:
      process: { command: python app.py }
"""
CONTAINER = """
services:
  web:
    build:
      network: host
      dockerfile_inline: |
        FROM python:3.12-slim
        RUN pip install aiohttp
        RUN mkdir /own && echo "print('the own sitecustomize runs', flush=True)" > /own/sitecustomize.py
        COPY app.py /
        ENV PYTHONPATH=/own HOST=0.0.0.0 PORT=8000
        CMD ["python", "app.py"]
    user: "1234"
    read_only: true
    ports: ["127.0.0.1:8000:8000"]
"""
SERVER = """
import os
from aiohttp import web

async def answer(request):
    return web.Response(text="hello")

app = web.Application()
app.router.add_get("/", answer)
web.run_app(app, host=os.environ.get("HOST", "127.0.0.1"), port=int(os.environ["PORT"]))
"""


@pytest.fixture
def tool(engine: str, tmp_path: Path) -> Iterator[Devenv]:
    found = Devenv(tmp_path, engine)
    yield found
    found.down()


def test_a_service_that_is_not_python_is_traced_through(tool: Devenv) -> None:
    tool.files = (POLYGLOT,)
    up: Any = tool.json("up")
    assert up["canary"]["verdict"] == "complete"
    assert set(up["canary"]["services"]) == {"gateway", "inventory", "user"}
    run = tool.json("load", "--rps", "20", "--duration", "2s", "--fail", "traced==100%")
    assert run["traces"]["complete"] == run["sent"] == 40


def test_a_file_without_tracing_is_traced(tool: Devenv) -> None:
    file = tool.directory / "compose.yaml"
    file.write_text(PLAIN.format(root=ROOT))
    tool.files = ()
    up: Any = tool.json("up")
    assert {service["name"] for service in up["services"]} == {"web", "jaeger"}
    assert up["entrypoint_url"] == "http://127.0.0.1:8082"
    assert up["canary"]["verdict"] == "complete", up["canary"]
    trace = get_json(f"{up['trace_backend']['query_url']}/api/traces/{up['canary']['trace_id']}")["data"][0]
    assert "web" in services_of(trace)
    # Down needs neither the file nor the record.
    file.unlink()
    (tool.directory / ".devenv" / "project.json").unlink()
    assert tool.json("down")["left"] == []
    assert tool.json("status", code=3)["error"]["kind"] == "NotUp"


def test_a_stack_without_any_tracing_is_not_waited_for_and_gets_lines_to_paste(tool: Devenv) -> None:
    (tool.directory / "compose.yaml").write_text(UNTRACED)
    (tool.directory / "app.py").write_text(SERVER)
    tool.files = ()
    canary: Any = tool.json("up", "--no-instrument", code=1)["canary"]
    assert (canary["verdict"], canary["status"], canary["untraced"]) == ("absent", 200, True), canary
    assert canary["elapsed_ms"] < 10_000  # the time that a trace is waited for otherwise
    init, place, command, *run = canary["advice"]
    assert init.startswith("devenv init --from compose.yaml")
    if tool.engine == "docker":
        assert place == "# compose.yaml:3: services.web"
        assert run == ["devenv run --service-name web -- python -m http.server 8000"]
        assert command == 'command: "python -m devenv.tracing -- python -m http.server 8000"'
        return
    pasted = UNTRACED.replace("command: python app.py", command)
    (tool.directory / "compose.yaml").write_text(pasted)
    canary = tool.json("up")["canary"]
    assert (canary["verdict"], canary["services"]) == ("complete", ["web"])


def test_a_stack_without_any_tracing_is_traced_from_outside(engine: str, tool: Devenv) -> None:
    (tool.directory / "compose.yaml").write_text(CONTAINER if engine == "docker" else UNTRACED)
    (tool.directory / "app.py").write_text(SERVER)
    tool.files = ()
    before = sorted(path.name for path in tool.directory.iterdir())
    up: Any = tool.json("up")
    assert up["canary"]["verdict"] == "complete", up["canary"]
    tracing = {service["name"]: service["tracing"] for service in up["services"]}
    assert (tracing["web"]["by"], tracing["web"]["language"]) == ("devenv", "python")
    assert tracing["web"]["spans"] >= 1
    assert tracing["jaeger"]["by"] == "not needed"
    assert sorted(path.name for path in tool.directory.iterdir()) == sorted([".devenv", *before])
    if engine == "docker":
        assert tool.run("exec", "web", "id", "-u").stdout.strip() == "1234"
        assert "the own sitecustomize runs" in tool.run("logs", "web").stdout


def test_history_on_badger_outlives_down(engine: str, tmp_path: Path) -> None:
    override = tmp_path / "badger.yaml"
    override.write_text("x-devenv:\n  jaeger: { storage: badger }\n")
    tool = Devenv(tmp_path, engine, files=(SAMPLE, override))
    try:
        first = tool.json("up")
        trace_id = first["canary"]["trace_id"]
        removed = tool.json("down")
        assert len(removed["kept"]["volumes"]) == 1
        second = tool.json("up")
        found = find_trace(second["trace_backend"]["query_url"], trace_id)
        assert found is not None
        assert services_of(found) >= {"gateway", "auth", "user"}
        place = tool.json("status")["trace_backend"]["storage"]
        assert bool(place) == (engine == "process")
    finally:
        last = tool.down()
    assert last["removed"]["volumes"] == removed["kept"]["volumes"]
    if engine == "process":
        assert not Path(place).exists()
        return
    listed = subprocess.run(["docker", "volume", "ls", "-q"], capture_output=True, text=True, check=True).stdout
    assert not set(last["removed"]["volumes"]) & set(listed.split())


def test_two_worktrees_run_side_by_side(engine: str, tmp_path: Path) -> None:
    tools = [Devenv(tmp_path / name, engine) for name in ("one", "two")]
    for tool in tools:
        tool.directory.mkdir()
    try:
        ups = [tool.json("up", "--isolated") for tool in tools]
        assert [up["canary"]["verdict"] for up in ups] == ["complete", "complete"]
        published = [{port["host"] for service in up["services"] for port in service["ports"]} for up in ups]
        assert not published[0] & published[1]
        assert ups[0]["project"] != ups[1]["project"]
        assert tools[0].json("up", "--isolated")["entrypoint_url"] == ups[0]["entrypoint_url"]
        tools[0].down()
        assert tools[1].json("status")["services"]
    finally:
        for tool in tools:
            tool.down()


def test_a_service_has_as_many_instances_as_replicas(tool: Devenv) -> None:
    override = tool.directory / "replicas.yaml"
    override.write_text("services:\n  user:\n    deploy: { replicas: 2 }\n")
    tool.files = (SAMPLE, override)
    up: Any = tool.json("up")
    user = next(service for service in up["services"] if service["name"] == "user")
    assert [(instance["state"], instance["health"]) for instance in user["instances"]] == [("running", "healthy")] * 2
    assert up["canary"]["verdict"] == "complete"
    tool.files = (SAMPLE,)
    fewer = tool.json("up")
    assert [len(s["instances"]) for s in fewer["services"] if s["name"] == "user"] == [1]


def test_a_taken_port_names_its_owner(engine: str, tmp_path: Path) -> None:
    first, second = Devenv(tmp_path / "one", engine), Devenv(tmp_path / "two", engine)
    for tool in (first, second):
        tool.directory.mkdir()
    try:
        up = first.json("up", "--no-canary")
        error = second.json("up", code=3)["error"]
        assert error["kind"] == "PortTaken"
        assert error["details"]["port"] in {port["host"] for service in up["services"] for port in service["ports"]}
        assert error["details"]["owner"]
    finally:
        second.down()
        first.down()
