"""Services without spans in `status`: who is asked about, and what is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import pytest
from orchestration import service, stack

from devenv.app.environment.recorded_spans import still_silent, with_spans
from devenv.app.record import Record, read_record, write_record
from devenv.app.session import Running
from devenv.app.urls import BackendAddress
from devenv.errors import BackendUnavailable
from devenv.model.documents import CanaryDocument
from devenv.model.identity import identify
from devenv.model.state import ObservedInstance, ObservedState, State
from devenv.testing import FakeEngine
from devenv.traces.query import Query

STACK = stack(service("web"), service("worker"), service("db", image="postgres:17"))
BACKEND = BackendAddress(kind="jaeger", query_url="http://127.0.0.1:16686", otlp_http_url="http://127.0.0.1:4318")


class Client:
    """A trace backend whose services sent their last spans at the times in `spans`; ``None``: it does not respond."""

    spans: dict[str, float] | None

    def __init__(self, _url: str, **_: object) -> None:
        self.asked: list[str] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing is open."""

    async def services(self) -> list[str]:
        if self.spans is None:
            raise BackendUnavailable("gone")
        return list(self.spans)

    async def find(self, query: Query) -> list[str]:
        return ["a trace"] if (self.spans or {})[query.service or ""] * 1e9 >= query.start_ns else []


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> type[Client]:
    monkeypatch.setattr("devenv.traces.client.TraceClient", Client)
    monkeypatch.setattr(Client, "spans", {"web": 100.0}, raising=False)
    return Client


def observed(**started: float) -> ObservedState:
    return ObservedState(
        instances=tuple(
            ObservedInstance(
                id=name, name=name, service=name, index=1, state=State.RUNNING, config_hash="", started_at=time
            )
            for name, time in started.items()
        )
    )


STARTED = {"web": 50.0, "worker": 60.0, "db": 40.0}


def recorded(canary: CanaryDocument) -> Record:
    return with_spans(Record(id="p", name="p", stack="s", engine="docker"), STACK, canary, observed(**STARTED))


def running(record: Record, **started: float) -> Running:
    engine: Any = FakeEngine()
    state = observed(**{**STARTED, **started})
    return Running(project=identify(Path("/nowhere")), engine=engine, observed=state, record=record)


COMPLETE = CanaryDocument(verdict="complete", services=["web"], no_spans_yet=["worker"])


async def test_what_had_no_spans_is_asked_about_again(backend: type[Client]) -> None:
    record = recorded(COMPLETE)
    assert (record.traced, record.heard) == ({"web": "web", "worker": "worker"}, {"web": 50.0})
    project = running(record)
    assert await still_silent(project, BACKEND, now=2000.0) == ["worker"]
    backend.spans = {"web": 100.0, "worker": 70.0}
    assert await still_silent(project, BACKEND, now=2000.0) == []


async def test_what_was_started_since_is_asked_about_again(backend: type[Client]) -> None:
    backend.spans = {"web": 100.0, "worker": 70.0}
    project = running(recorded(COMPLETE), web=1500.0)
    assert await still_silent(project, BACKEND, now=2000.0) == ["web"]


async def test_nothing_is_asked_if_all_have_sent_spans(backend: type[Client], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devenv.traces.client.TraceClient", None)
    record = recorded(CanaryDocument(verdict="complete", services=["web", "worker"]))
    assert await still_silent(running(record), BACKEND, now=2000.0) == []


async def test_without_a_verdict_all_are_asked_about(backend: type[Client]) -> None:
    record = recorded(CanaryDocument(verdict="skipped"))
    assert await still_silent(running(record), BACKEND, now=2000.0) == ["worker"]


async def test_a_backend_that_is_away_says_nothing(backend: type[Client]) -> None:
    backend.spans = None
    assert await still_silent(running(recorded(COMPLETE)), BACKEND, now=2000.0) == []
    assert await still_silent(running(recorded(COMPLETE)), None, now=2000.0) == []


def test_the_record_keeps_it(tmp_path: Path) -> None:
    project = identify(tmp_path, "p")
    record = replace(recorded(COMPLETE), id=project.id)
    write_record(tmp_path, record)
    assert read_record(tmp_path) == record
