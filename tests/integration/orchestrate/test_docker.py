"""Orchestration on the real Docker engine, looked at with the SDK alone."""

from __future__ import annotations

import json
import socket
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from devenv.clock import SystemClock
from devenv.engine.docker import DockerEngine
from devenv.errors import EngineRefused, PortTaken
from devenv.events import Event
from devenv.model.identity import Project, identify
from devenv.model.stack import Stack
from devenv.model.state import Health
from devenv.orchestrate.down import DownOptions, DownResult, take_down
from devenv.orchestrate.lifecycle import restart, start, stop
from devenv.orchestrate.up import UpOptions, UpResult, bring_up, make_plan
from devenv.stack import load_stack

pytestmark = pytest.mark.docker

HEADER = """
x-service: &service
  image: python:3.12-slim
  init: true
  command: [sleep, infinity]
services:
"""


@dataclass
class World:
    """A project directory and the engine; ports are the directory's own, so that tests get along with others."""

    directory: Path
    engine: DockerEngine
    client: Any
    events: list[Event] = field(default_factory=list)

    @property
    def project(self) -> Project:
        return identify(self.directory)

    def stack(self, text: str) -> Stack:
        file = self.directory / "compose.yaml"
        file.write_text(text if "services:" in text else HEADER + text)
        return load_stack([file], environ={})

    async def up(self, text: str, **options: Any) -> UpResult:
        given = {"isolated": True, "timeout": 60.0, **options}
        return await bring_up(
            self.engine,
            self.project,
            self.stack(text),
            UpOptions(**given),
            clock=SystemClock(),
            sink=self.events.append,
        )

    async def plan(self, text: str, **options: Any) -> list[str]:
        given = {"isolated": True, **options}
        made = await make_plan(self.engine, self.project, self.stack(text), UpOptions(**given), sink=self.events.append)
        lines = str(made).replace(self.project.id, "P").splitlines()
        return [" ".join(line.split()) for line in lines if "jaeger" not in line]

    async def down(self, **options: Any) -> DownResult:
        return await take_down(
            self.engine, self.project, DownOptions(**options), clock=SystemClock(), sink=self.events.append
        )

    def container(self, service: str, index: int = 1) -> Any:
        return self.client.containers.get(f"{self.project.id}-{service}-{index}")


@asynccontextmanager
async def new_world(directory: Path, client: Any) -> AsyncIterator[World]:
    directory.mkdir()  # noqa: ASYNC240 - nothing else runs
    engine = DockerEngine()
    made = World(directory, engine, client)
    try:
        yield made
    finally:
        result = await made.down(volumes=True, timeout=1.0)
        await engine.close()
        assert result.left == ()


@pytest.fixture
async def world(tmp_path: Path, docker_client: Any) -> AsyncIterator[World]:
    async with new_world(tmp_path / "shop", docker_client) as made:
        yield made


def healths(result: UpResult) -> dict[str, Health]:
    return {item.service.name: item.health for item in result.services}


CHAIN = """
  store:
    <<: *service
    healthcheck: { test: [CMD, test, -e, /tmp/ready], interval: 30s }
    command: [sh, -c, "sleep 0.5; touch /tmp/ready; exec sleep infinity"]
  job:
    <<: *service
    command: [sh, -c, "date +%s.%N > /data/done"]
    volumes: ["data:/data"]
    depends_on: { store: { condition: service_healthy } }
  web:
    <<: *service
    volumes: ["data:/data"]
    configs: [settings]
    secrets: [{ source: password, target: pw, mode: 0400 }]
    depends_on: { job: { condition: service_completed_successfully } }
  sidecar:
    <<: *service
    network_mode: service:web
volumes: { data: {} }
configs: { settings: { content: "level: debug" } }
secrets: { password: { file: ./password } }
"""


async def test_conditions_files_and_shared_networks(world: World) -> None:
    (world.directory / "password").write_text("s3cret")
    result = await world.up(CHAIN)
    assert healths(result) == {
        "store": Health.HEALTHY,
        "job": Health.COMPLETED,
        "web": Health.NONE,
        "sidecar": Health.NONE,
        "jaeger": Health.HEALTHY,
    }
    web, sidecar = world.container("web"), world.container("sidecar")
    assert web.exec_run(["cat", "/settings"]).output == b"level: debug"
    assert web.exec_run(["stat", "-c", "%a", "/run/secrets/pw"]).output == b"400\n"
    assert web.exec_run(["cat", "/run/secrets/pw"]).output == b"s3cret"
    assert sidecar.attrs["HostConfig"]["NetworkMode"] == f"container:{web.id}"
    environment = dict(entry.split("=", 1) for entry in web.attrs["Config"]["Env"])
    assert environment["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://jaeger:4318"
    assert environment["OTEL_RESOURCE_ATTRIBUTES"] == f"service.instance.id={world.project.id}-web-1"
    assert await world.plan(CHAIN) == [
        "keep P-store-1",
        "keep P-job-1 (completed)",
        "keep P-web-1",
        "keep P-sidecar-1",
    ]
    begun = time.monotonic()
    again = await world.up(CHAIN)
    assert again.plan.empty
    assert time.monotonic() - begun < 5
    (world.directory / "password").write_text("changed")
    assert "replace P-web-1 (secrets changed) when job (completed)" in await world.plan(CHAIN)
    down = await world.down()
    assert down.kept_volumes == (f"{world.project.id}_data",)
    assert down.left == ()


async def test_what_changes_is_replaced_and_the_rest_stays(world: World) -> None:
    one = "  a: { <<: *service, environment: { V: '1' } }\n  b: { <<: *service }\n  c: { <<: *service }\n"
    await world.up(one)
    kept = world.container("b").id
    two = one.replace("'1'", "'2'").replace("  c: { <<: *service }\n", "")
    assert await world.plan(two) == [
        "remove P-c-1 (removed from the stack file)",
        "replace P-a-1 (environment changed)",
        "keep P-b-1",
    ]
    result = await world.up(two)
    assert not any(item.failure for item in result.services)
    assert world.container("b").id == kept
    names = {c.name for c in world.client.containers.list(all=True)}
    assert f"{world.project.id}-c-1" not in names
    three = (
        two + "networks: { default: { internal: false, driver_opts: { com.docker.network.bridge.name: dvtest0 } } }\n"
    )
    assert (await world.plan(three))[0] == "replace-network P_default (definition changed)"
    await world.up(three)
    assert world.container("b").id != kept
    assert (await world.plan(three)) == ["keep P-a-1", "keep P-b-1"]


HOOKS = """
  web:
    <<: *service
    user: nobody
    working_dir: /tmp
    volumes: [kept:/kept]
    post_start:
      - command: sh -c 'id -un >/kept/log; pwd >>/kept/log; echo $$A >>/kept/log'
        user: root
        working_dir: /var
        environment: [A=given]
    pre_stop:
      - command: [sh, -c, "echo left >>/kept/log"]
        user: root
volumes: { kept: {} }
"""


async def test_hooks_run_as_the_file_says(world: World) -> None:
    result = await world.up(HOOKS)
    assert [item.failure for item in result.services if item.failure] == []
    said = world.container("web").exec_run(["cat", "/kept/log"]).output.decode().split()
    assert said == ["root", "/var", "given"]
    await world.up(HOOKS.replace("user: nobody", "user: daemon"))  # replaced: the old one leaves first
    said = world.container("web").exec_run(["cat", "/kept/log"]).output.decode().split()
    assert said == ["root", "/var", "given"]  # the new one wrote it after the old one
    await stop(world.engine, world.project, clock=SystemClock(), sink=world.events.append)
    volume = f"{world.project.id}_kept"
    read = world.client.containers.run("python:3.12-slim", ["cat", "/v/log"], volumes=[f"{volume}:/v"], remove=True)
    assert read.decode().split()[-1] == "left"


async def test_a_failed_hook_tells_what_it_said(world: World) -> None:
    text = "  web: { <<: *service, post_start: [{ command: \"sh -c 'echo no table; exit 3'\" }] }\n"
    result = await world.up(text)
    failure = next(item.failure for item in result.services if item.service.name == "web")
    assert failure is not None
    assert failure.reason.endswith("exited with code 3")
    assert failure.log_tail == ("no table",)


SHARING = """
  app: { <<: *service, ipc: shareable, volumes: [/data], environment: { V: '1' } }
  network: { <<: *service, network_mode: "service:app" }
  pid: { <<: *service, pid: "service:app" }
  ipc: { <<: *service, ipc: "service:app" }
  volumes: { <<: *service, volumes_from: ["app:ro"] }
  linked: { <<: *service, links: ["app:application"] }
"""


async def test_what_shares_something_starts_beside_a_new_owner(world: World) -> None:
    await world.up(SHARING)
    result = await world.up(SHARING.replace("'1'", "'2'"))
    assert [item.service.name for item in result.services if item.failure] == []
    names = ("app", "network", "pid", "ipc", "volumes", "linked")
    assert {world.container(name).status for name in names} == {"running"}
    owner = world.container("app").id
    assert world.container("pid").attrs["HostConfig"]["PidMode"] == f"container:{owner}"
    code, _ = world.container("linked").exec_run(["getent", "hosts", "application"])
    assert code == 0
    assert {line.split()[0] for line in await world.plan(SHARING.replace("'1'", "'2'"))} == {"keep"}


async def test_what_stopped_and_what_was_only_created_comes_back(world: World) -> None:
    text = "  a: { <<: *service }\n  b: { <<: *service }\n"
    await world.up(text)
    world.container("a").kill()
    world.container("b").remove(force=True)
    lines = await world.plan(text)
    assert lines == ["recreate P-a-1 (exited with code 137)", "create P-b-1"]
    await world.up(text)
    assert {world.container(name).status for name in "ab"} == {"running"}


async def test_a_failure_says_it_all(world: World) -> None:
    result = await world.up(
        """
  dies: { <<: *service, command: [sh, -c, "echo no such table >&2; exit 3"], healthcheck: { test: [CMD, "true"] } }
  nosuch: { <<: *service, init: false, command: [/no/such/program] }
  web: { <<: *service, depends_on: { dies: { condition: service_healthy } } }
  never: { <<: *service, healthcheck: { test: [CMD-SHELL, "echo nope; exit 1"], interval: 1s, retries: 1 } }
  good: { <<: *service }
"""
    )
    found = {item.service.name: item for item in result.services}
    dies, nosuch, never = found["dies"].failure, found["nosuch"].failure, found["never"].failure
    assert dies is not None
    assert (dies.exit_code, dies.log_tail) == (3, ("no such table",))
    assert found["dies"].waited_for_by == ("web",)
    assert nosuch is not None
    assert nosuch.reason.startswith("could not start: ")
    assert "/no/such/program" in nosuch.reason
    assert never is not None
    assert "nope" in never.last_answer
    assert found["good"].failure is None
    assert world.container("web").status == "created"
    assert world.container("good").status == "running"


async def test_a_foreign_container_keeps_its_name_and_its_life(world: World) -> None:
    name = f"{world.project.id}-a-1"
    foreign = world.client.containers.create("python:3.12-slim", ["true"], name=name)
    try:
        with pytest.raises(EngineRefused, match=name):
            await world.up("  a: { <<: *service }\n")
        await world.down()
        assert world.client.containers.get(name).id == foreign.id
    finally:
        foreign.remove(force=True)


async def test_two_worktrees_side_by_side(tmp_path: Path, docker_client: Any) -> None:
    text = "  web: { <<: *service, ports: ['127.0.0.1:8080:8080'] }\n"
    async with new_world(tmp_path / "one", docker_client) as one, new_world(tmp_path / "two", docker_client) as two:
        first, second = await one.up(text), await two.up(text)
        ports = [{p.host for s in result.services for i in s.instances for p in i.ports} for result in (first, second)]
        assert len(ports[0]) == len(ports[1]) == 4
        assert not ports[0] & ports[1]
        port = next(iter(ports[0]))
        with pytest.raises(PortTaken, match=rf"port {port} of web is in use by .* of project {one.project.id}"):
            await two.up(text.replace(":8080:", f":{port}:"), isolated=False, services=("web",))
        again = await one.up(text)
        assert again.plan.empty


async def test_a_taken_port_names_the_program(world: World) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        text = f"  jaeger: {{ <<: *service, x-devenv: {{ role: trace-backend }}, ports: ['{port}:80'] }}\n"
        with pytest.raises(PortTaken, match=rf"port {port} of jaeger is in use by .*pid \d+"):
            await world.up(text, isolated=False)
    assert not [c for c in world.client.containers.list(all=True) if c.name.startswith(world.project.id)]


async def test_stop_start_and_restart(world: World) -> None:
    text = """
  db: { <<: *service }
  web: { <<: *service, depends_on: { db: { condition: service_started, restart: true } } }
"""
    await world.up(text)
    clock, sink = SystemClock(), world.events.append
    ids = {name: world.container(name).id for name in ("db", "web")}
    await stop(world.engine, world.project, clock=clock, sink=sink)
    assert {world.container(name).status for name in ids} == {"exited"}
    await start(world.engine, world.project, world.stack(text), clock=clock, sink=sink)
    assert {world.container(name).status for name in ids} == {"running"}
    before = world.container("web").attrs["State"]["StartedAt"]
    await restart(world.engine, world.project, world.stack(text), ("db",), clock=clock, sink=sink)
    assert world.container("web").attrs["State"]["StartedAt"] > before
    assert {name: world.container(name).id for name in ids} == ids


async def test_badgers_history_outlives_down(world: World) -> None:
    text = HEADER + "  a: { <<: *service }\nx-devenv: { jaeger: { storage: badger } }\n"
    trace = "5b8aa5a2d2c872e8321cf37308d69df2"
    urls = jaeger_urls(await world.up(text))
    export_span(urls[4318], trace)
    wait_for_span(urls[16686], trace)
    down = await world.down()
    assert down.kept_volumes == (f"{world.project.id}_jaeger-data",)
    urls = jaeger_urls(await world.up(text))
    wait_for_span(urls[16686], trace)
    assert (await world.down(volumes=True)).removed["volumes"] == (f"{world.project.id}_jaeger-data",)


def jaeger_urls(result: UpResult) -> dict[int, str]:
    backend = next(item for item in result.services if item.service.name == "jaeger")
    assert backend.failure is None
    return {p.container: f"http://127.0.0.1:{p.host}" for p in backend.instances[0].ports}


def export_span(url: str, trace: str) -> None:
    now = time.time_ns()
    span = {
        "traceId": trace,
        "spanId": "051581bf3cb55c13",
        "name": "kept",
        "kind": 1,
        "startTimeUnixNano": str(now - 1_000_000),
        "endTimeUnixNano": str(now),
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "historian"}}]}
    body = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]}
    request = urllib.request.Request(
        f"{url}/v1/traces", data=json.dumps(body).encode(), headers={"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        assert response.status == 200


def wait_for_span(url: str, trace: str) -> None:
    for found in polled(f"{url}/api/traces/{trace}"):
        if found:
            return
    pytest.fail(f"trace {trace} is not there")


def polled(url: str) -> Iterator[bool]:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                yield bool(json.load(response)["data"])
        except urllib.error.HTTPError:
            yield False
        time.sleep(0.1)
