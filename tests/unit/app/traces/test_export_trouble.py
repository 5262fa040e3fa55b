"""What is read out of services' output when spans are missed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from devenv.app.traces import export_trouble as trouble
from devenv.app.traces.export_trouble import RECENT_S, export_trouble, troubles
from devenv.contract.answers import LogLine
from devenv.errors import EngineUnavailable

WAIT = "export failed: 2 spans not delivered to http://127.0.0.1:4399/v1/traces (ConnectionRefusedError)"


@pytest.mark.parametrize(
    "text",
    [
        WAIT,
        "WARNING:devenv.tracing.export.exporter:spans lost so far: 3 not delivered",
        "Transient error StatusCode.UNAVAILABLE encountered while exporting traces to localhost:4317, retrying in 1s.",
        "Failed to export spans. The request could not be executed.",
        'traces export: Post "http://x:4318/v1/traces": dial tcp: connection refused',
        '{"stack":"Error: connect ECONNREFUSED","name":"OTLPExporterError"}',
    ],
)
def test_lines_about_exports_that_fail(text: str) -> None:
    assert export_trouble(text) == text


def test_of_a_structured_line_the_message_is_shown() -> None:
    assert export_trouble('{"level": "warning", "message": "spans lost so far", "service": "user"}') == (
        "spans lost so far"
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "INFO request GET /users/1 failed",
        '{"message": "request", "error": "x", "trace_id": "0af7651916cd43dd8448eb211c80319c"}',
        "Traceback (most recent call last):",
        "exporting 5 spans",
        "[1, 2]",
    ],
)
def test_other_lines(text: str) -> None:
    assert export_trouble(text) is None


class Engine:
    """Output by instance."""

    def __init__(self, **lines: list[str]) -> None:
        self.lines = lines
        self.since: list[float] = []

    async def logs(self, instance_id: str, *, since: float, tail: int) -> AsyncIterator[LogLine]:
        self.since.append(since)
        if instance_id not in self.lines:
            raise EngineUnavailable("gone")
        for text in self.lines[instance_id][-tail:]:
            yield LogLine(time=since, stream="stdout", text=text)


class Instance:
    def __init__(self, name: str) -> None:
        self.id = name


class Observed:
    def of(self, service: str) -> list[Instance]:
        return [Instance(service)]


async def found(engine: Engine, *names: str) -> list[tuple[str, str]]:
    services: Any = {"web": "web", "accounts": "user"}
    observed: Any = Observed()
    said = await troubles(engine, observed, services, names, now=1000.0)  # type: ignore[arg-type]
    return [(line.service, line.text) for line in said]


async def test_the_last_line_of_each_service_that_is_missed() -> None:
    engine = Engine(
        web=["Failed to export spans"], user=["export failed: 1 spans", "started", "spans lost so far: 1", "x"]
    )
    assert await found(engine, "accounts") == [("user", "spans lost so far: 1")]
    assert engine.since == [1000.0 - RECENT_S]


async def test_all_are_looked_at_where_none_is_named() -> None:
    engine = Engine(web=["Failed to export spans"], user=["quiet"])
    assert await found(engine) == [("web", "Failed to export spans")]


async def test_output_that_takes_too_long_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of a timeout has no text."""

    class Silent(Engine):
        async def logs(self, instance_id: str, *, since: float, tail: int) -> AsyncIterator[LogLine]:
            await asyncio.Event().wait()
            yield LogLine(time=0.0, stream="stdout", text="never")

    monkeypatch.setattr(trouble, "_SECONDS", 0.0)
    assert await found(Silent(web=["x"]), "web") == [("web", "(cannot read the output: timed out)")]


async def test_output_that_is_not_to_be_had_is_said_so() -> None:
    assert await found(Engine(web=[]), "accounts") == [("user", "(cannot read the output: gone)")]
