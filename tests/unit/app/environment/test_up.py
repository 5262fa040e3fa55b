"""The use case ``up`` on the fake engine: what it asks the engine, what it writes, what it reports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from devenv.app.engines import Choice
from devenv.app.environment import up as use_case
from devenv.app.environment.canary_step import CanaryRoute, canary_route
from devenv.app.invocation import Invocation
from devenv.app.record import read_record
from devenv.app.urls import Backend
from devenv.events import Event
from devenv.model.documents import PlanDocument, UpDocument
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
BACKEND = Backend(kind="jaeger", query_url="http://127.0.0.1:16686", otlp_http_url="http://127.0.0.1:4318")


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
        monkeypatch.setattr(self.engine, "close", self.close)
        write = use_case.write_record

        def noting(directory: Path, record: Any) -> None:
            write(directory, record)
            self.written.append(json.loads((directory / ".devenv" / "project.json").read_text()))

        monkeypatch.setattr(use_case, "write_record", noting)

    async def choose(self, *_: object, **__: object) -> Choice:
        return Choice(self.engine, "docker: chosen by the test")

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


async def test_the_engine_is_observed_before_and_after(shop: Shop) -> None:
    document = await shop.up()
    assert not document.failures
    assert shop.observations() == 2


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
        ({"backend": None}, "the trace backend is not reachable from this machine"),
        ({"entrypoint_url": None}, "no entry point: set x-devenv.entrypoint to a service that publishes a port"),
    ],
)
def test_the_reason_why_no_canary_is_sent(given: dict[str, Any], reason: str) -> None:
    known: dict[str, Any] = {"wanted": True, "ready": True, "backend": BACKEND, "entrypoint_url": "http://127.0.0.1:80"}
    assert canary_route(**{**known, **given}) == reason
    assert canary_route(**known) == CanaryRoute(entrypoint_url="http://127.0.0.1:80", backend=BACKEND)
