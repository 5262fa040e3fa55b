"""The use case ``up`` on the fake engine: what it asks the engine, what it writes, what it reports."""

from __future__ import annotations

import asyncio
import json
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from devenv.app.engines import Choice
from devenv.app.environment import up as use_case
from devenv.app.environment.canary_step import CanaryRoute, canary_route
from devenv.app.invocation import Invocation, LoadedStack, read_stack
from devenv.app.record import Record, read_record, write_record
from devenv.app.urls import BackendAddress
from devenv.contract.answers import ExecResult, ImageConfig
from devenv.errors import PortTaken
from devenv.events import Event, ServiceFailed
from devenv.health.restarts import STEADY_SECONDS
from devenv.model.documents import CanaryDocument, PlanDocument, UpDocument
from devenv.model.stack import Stack
from devenv.orchestrate.up import UpOptions
from devenv.testing import FakeClock, FakeEngine, FakeImage, Script

STACK = """
services:
  db: { image: "shop:1" }
  web:
    image: "shop:1"
    depends_on: { db: { condition: service_healthy } }
  jaeger: { image: "jaegertracing/jaeger:2.13.0" }
"""
BACKEND = BackendAddress(kind="jaeger", query_url="http://127.0.0.1:16686", otlp_http_url="http://127.0.0.1:4318")


class Shop:
    """A project directory whose commands run on one fake engine."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (directory / "compose.yaml").write_text(STACK)
        self.invocation = Invocation(directory=directory)
        self.clock = FakeClock()
        self.engine = FakeEngine(self.clock)
        self.engine.images = {"shop:1": FakeImage("sha256:1"), "jaegertracing/jaeger:2.13.0": FakeImage("sha256:2")}
        self.engine.scripts = {name: Script() for name in ("db", "web", "jaeger")}
        self.events: list[Event] = []
        self.written: list[dict[str, Any]] = []
        monkeypatch.setattr(use_case, "choose", self.choose)
        monkeypatch.setattr(use_case, "read_stack_in_background", self.read_stack)
        monkeypatch.setattr(self.engine, "close", self.close)
        write = use_case.write_record

        def noting(directory: Path, record: Any) -> None:
            write(directory, record)
            self.written.append(json.loads((directory / ".devenv" / "project.json").read_text()))

        monkeypatch.setattr(use_case, "write_record", noting)

    async def choose(self, *_: object, **__: object) -> Choice:
        return Choice(self.engine, "docker: chosen by the test")

    async def read_stack(self, *arguments: Any) -> LoadedStack:
        """Without a thread: the clock does not see it, and would let time pass meanwhile."""
        return read_stack(*arguments)

    async def close(self) -> None:
        """The engine outlives a command."""

    async def up(self) -> UpDocument:
        request = use_case.UpRequest(options=UpOptions())
        return await use_case.up(self.invocation, request, clock=self.clock, sink=self.events.append)

    async def plan(self) -> PlanDocument:
        return await use_case.plan(self.invocation, UpOptions(), sink=self.events.append)

    def observations(self) -> int:
        return sum(call.method == "observe" for call in self.engine.faults.calls)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    return Shop(tmp_path, monkeypatch)


async def test_the_engine_is_observed_before_and_after_and_when_services_have_stayed_up(shop: Shop) -> None:
    document = await shop.up()
    assert not document.failures
    assert shop.observations() == 4


async def test_the_canary_is_sent_while_services_without_a_probe_have_to_stay_up(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans: list[tuple[float, float]] = []

    async def run_canary(*_: object, **__: object) -> CanaryDocument:
        begun = shop.clock.monotonic()
        await shop.clock.sleep(STEADY_SECONDS)
        spans.append((begun, shop.clock.monotonic()))
        return CanaryDocument(verdict="complete")

    monkeypatch.setattr(use_case, "run_canary", run_canary)
    document = await shop.up()
    ((begun, ended),) = spans
    assert document.canary.verdict == "complete"
    assert shop.clock.monotonic() - ended < 0.1  # nothing is waited for after it
    assert begun < STEADY_SECONDS  # nor before it


async def test_the_path_of_the_canary_can_be_given(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    paths: list[str] = []

    async def run_canary(_: object, stack: Stack, *__: object, **___: object) -> CanaryDocument:
        paths.append(stack.x.canary.path if stack.x.canary else "")
        return CanaryDocument(verdict="complete")

    monkeypatch.setattr(use_case, "run_canary", run_canary)
    request = use_case.UpRequest(options=UpOptions(), path="/health?deep=1")
    await use_case.up(shop.invocation, request, clock=shop.clock, sink=shop.events.append)
    assert paths == ["/health?deep=1"]


async def test_a_second_up_observes_the_engine_before_and_at_its_end(shop: Shop) -> None:
    await shop.up()
    await shop.clock.sleep(10)
    before, begun = shop.observations(), shop.clock.monotonic()
    await shop.up()
    assert shop.observations() == before + 2
    assert shop.clock.monotonic() - begun < 0.5


async def test_a_service_that_dies_after_its_start_is_a_failure_with_its_block(shop: Shop) -> None:
    shop.engine.scripts["web"] = Script(exit_after=0.7, exit_code=3, logs=[(0.6, "no such table")])
    document = await shop.up()
    (failure,) = document.failures
    assert (failure.service, failure.exit_code, failure.log_tail) == ("web", 3, ["no such table"])
    assert failure.reason == "exited with code 3 after it had started"
    row = next(row for row in document.services if row.name == "web")
    assert (row.state, row.health) == ("exited", "unhealthy")
    assert use_case.verdict_code(document) == 1
    assert "web exited with code 3" in next(e.summary for e in shop.events if isinstance(e, ServiceFailed))


async def test_a_service_that_dies_after_its_start_is_rolled_back(shop: Shop) -> None:
    shop.engine.scripts["web"] = Script(exit_after=0.7, exit_code=3)
    request = use_case.UpRequest(options=UpOptions(rollback=True))
    document = await use_case.up(shop.invocation, request, clock=shop.clock, sink=shop.events.append)
    assert [failure.service for failure in document.failures] == ["web"]
    assert shop.engine.instances == {}


@pytest.mark.parametrize("extra", ["", "\n    x-devenv: {ready: {exec: [CMD, healthy]}}"])
async def test_a_restart_loop_ends_up_within_seconds(shop: Shop, extra: str) -> None:
    text = STACK.replace("  web:", "  web:\n    restart: unless-stopped" + extra)
    (shop.invocation.directory / "compose.yaml").write_text(text)
    shop.engine.scripts["web"] = Script(
        exit_after=0.02, exit_code=1, logs=[(0.01, "cannot bind")], exec=lambda _: ExecResult(exit_code=1, output=b"")
    )
    begun = shop.clock.monotonic()
    document = await shop.up()
    assert shop.clock.monotonic() - begun < 10
    (failure,) = document.failures
    assert failure.service == "web"
    assert failure.reason.startswith("is restarting in a loop: ")
    assert failure.reason.endswith("restarts; the last time it exited with code 1")
    assert failure.log_tail[-1] == "cannot bind"
    assert use_case.verdict_code(document) == 1


async def test_a_service_that_recovers_after_restarts_is_up(shop: Shop) -> None:
    (shop.invocation.directory / "compose.yaml").write_text(STACK.replace("  web:", "  web:\n    restart: always"))
    script = shop.engine.scripts["web"] = Script(exit_after=0.3, exit_code=1)

    async def mend() -> None:
        await shop.clock.sleep(2.0)
        script.exit_after = None

    mending = asyncio.create_task(mend())
    document = await shop.up()
    await mending
    assert not document.failures
    row = next(row for row in document.services if row.name == "web")
    assert row.state == "running"
    assert row.restarts > 2


async def test_the_image_s_healthcheck_is_asked_beside_a_timeout_of_one_s_own(shop: Shop) -> None:
    text = STACK.replace("  web:", "  web:\n    x-devenv: {ready: {timeout: 3s}}")
    (shop.invocation.directory / "compose.yaml").write_text(text)
    shop.engine.images["shop:1"] = FakeImage("sha256:1", ImageConfig(healthcheck=("CMD", "healthy")))
    shop.engine.scripts["web"] = Script(ready_after=1.0)
    document = await shop.up()
    row = next(row for row in document.services if row.name == "web")
    assert row.health == "healthy"
    assert row.ready_ms is not None
    assert row.ready_ms >= 1000


async def test_a_service_without_a_probe_that_completes_is_not_a_failure(shop: Shop) -> None:
    shop.engine.scripts["web"] = Script(exit_after=0.7, exit_code=0)
    document = await shop.up()
    assert not document.failures
    row = next(row for row in document.services if row.name == "web")
    assert (row.state, row.health) == ("exited", "completed")


async def test_the_record_names_the_engine_before_anything_starts_and_is_written_once_more_at_the_end(
    shop: Shop,
) -> None:
    await shop.up()
    assert [record["engine"] for record in shop.written] == ["docker", "docker"]
    assert [record["trace_backend"] for record in shop.written] == [None, "jaeger"]
    assert set(shop.written[1]["ready_ms"]) == {"db", "web", "jaeger"}


async def test_a_second_up_writes_the_record_once_and_keeps_the_times_to_ready(shop: Shop) -> None:
    await shop.up()
    first = read_record(shop.invocation.directory)
    shop.written.clear()
    await shop.up()
    assert len(shop.written) == 1
    assert read_record(shop.invocation.directory) == first


async def test_a_killed_up_leaves_a_record_of_the_engine(shop: Shop) -> None:
    shop.engine.faults.lost = True
    with pytest.raises(Exception, match="no longer answers"):
        await shop.up()
    record = read_record(shop.invocation.directory)
    assert record is not None
    assert record.engine == "docker"


async def test_an_up_that_fails_before_it_creates_anything_leaves_no_record(shop: Shop) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        text = STACK.replace("  web:", f"  web:\n    ports: ['127.0.0.1:{port}:80']")
        (shop.invocation.directory / "compose.yaml").write_text(text)
        with pytest.raises(PortTaken):
            await shop.up()
    assert shop.engine.instances == {}
    assert read_record(shop.invocation.directory) is None


async def test_an_up_that_fails_halfway_leaves_its_record(shop: Shop) -> None:
    shop.engine.scripts["web"] = Script(start_error=PortTaken("port 80 for web is in use by another program"))
    with pytest.raises(PortTaken):
        await shop.up()
    assert read_record(shop.invocation.directory) is not None


@pytest.mark.parametrize("exists", [True, False])
async def test_another_engine_can_be_asked_for_unless_something_exists_on_the_recorded_one(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, exists: bool
) -> None:
    if exists:
        await shop.up()
    else:
        write_record(shop.invocation.directory, Record(id="shop-1", name="shop", stack="compose.yaml", engine="docker"))
    asked: list[str | None] = []

    async def connect(*_: object) -> FakeEngine:
        return shop.engine

    async def choose(*_: object, recorded: str | None, **__: object) -> Choice:
        asked.append(recorded)
        return Choice(shop.engine, "process: requested")

    monkeypatch.setattr(use_case, "connect", connect)
    monkeypatch.setattr(use_case, "choose", choose)
    shop.invocation = replace(shop.invocation, engine="process")
    await shop.plan()
    assert asked == ["docker" if exists else None]


async def test_the_document_of_a_plan_holds_the_schedule(shop: Shop) -> None:
    document = await shop.plan()
    assert [action.action for action in document.actions] == ["create-network", "create", "create", "create"]
    steps = {(step.call, step.service): step for step in document.steps}
    start, wait = steps["start", "web"], steps["wait-ready", "db"]
    assert start.after == [steps["create", "web"].id]
    assert [wait_for.model_dump() for wait_for in start.waits_for] == [
        {"service": "db", "condition": "healthy", "required": True, "steps": [wait.id]}
    ]
    assert all(number < step.id for step in document.steps for number in step.after)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"wanted": False}, "--no-canary"),
        ({"ready": False}, "not every service is ready"),
        (
            {"awaited": False, "entrypoint": "web"},
            "the entry point web was not waited for: to send the canary, add --wait-for web",
        ),
        ({"backend": None}, "the trace backend is not reachable from this machine"),
        (
            {"entrypoint_url": None, "candidates": ("web", "api")},
            "web, api publish ports: add `x-devenv: {entrypoint: web}` to the stack file to choose one",
        ),
        ({"entrypoint_url": None}, "no entry point: set x-devenv.entrypoint to a service that publishes a port"),
        (
            {"entrypoint_url": None, "entrypoint": "web"},
            "the entry point web does not publish a port: add one under ports: in the stack file",
        ),
    ],
)
def test_the_reason_why_no_canary_is_sent(given: dict[str, Any], reason: str) -> None:
    known: dict[str, Any] = {"wanted": True, "ready": True, "backend": BACKEND, "entrypoint_url": "http://127.0.0.1:80"}
    assert canary_route(**{**known, **given}) == reason
    assert canary_route(**known) == CanaryRoute(entrypoint_url="http://127.0.0.1:80", backend=BACKEND)
