"""Load runs against devenv's own trace backend: the same classes as with Jaeger, and eviction that it states itself."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from load_runs import asked
from traced_services import Fault, TracedServices

from devenv.app.traces.canary import send_canary
from devenv.backend import EmbeddedSettings, serve
from devenv.clock import SystemClock
from devenv.load.run import run_load
from devenv.load.run_store import RunStore
from devenv.load.verify.verification import Patience
from devenv.model.extension import Request, Scenario
from devenv.model.load_documents import LoadDocument
from devenv.traces.client import TraceClient


@dataclass
class Embedded:
    query_url: str
    otlp_url: str


@asynccontextmanager
async def embedded(**settings: Any) -> AsyncIterator[Embedded]:
    backend = await serve(EmbeddedSettings(otlp_port=0, query_port=0, health_port=0, **settings))
    try:
        yield Embedded(f"http://127.0.0.1:{backend.query_port}", f"http://127.0.0.1:{backend.otlp_port}")
    finally:
        await backend.close()


def playing(backend: Embedded, fault: Fault = "none") -> TracedServices:
    return TracedServices(backend.otlp_url, fault, prefix=f"e{secrets.token_hex(2)}-")


async def load(
    backend: Embedded, services: TracedServices, folder: Path, *, patience: Patience | None = None, **fields: Any
) -> LoadDocument:
    async with services, TraceClient(backend.query_url) as client:
        values: dict[str, Any] = {"rps": 100, "duration": 0.5, "scenario": Scenario(), "target": services.url}
        return await run_load(
            *asked(**values | fields),
            client=client,
            otlp_http_url=backend.otlp_url,
            expected_services=services.services,
            clock=SystemClock(),
            sink=lambda event: None,
            store=RunStore(folder),
            stop=asyncio.Event(),
            patience=patience or Patience(1.0, 2.0),
        )


def classes(document: LoadDocument) -> dict[str, int]:
    counts = document.traces.model_dump()
    assert sum(counts.values()) == document.sent
    return {name: count for name, count in counts.items() if count}


@pytest.mark.parametrize(
    ("fault", "trace_class", "verdict"),
    [
        ("none", "complete", "complete"),
        ("propagation", "partial", "partial"),
        ("split", "split", "split"),
        ("orphan", "orphaned", "partial"),
        ("untraced", "absent", "absent"),
    ],
)
async def test_each_class_and_verdict(tmp_path: Path, fault: Fault, trace_class: str, verdict: str) -> None:
    async with embedded() as backend:
        document = await load(backend, playing(backend, fault), tmp_path)
        assert classes(document) == {trace_class: 50}
        services = playing(backend, fault)
        async with services, TraceClient(backend.query_url) as client:
            canary = await send_canary(
                entrypoint_url=services.url,
                request=Request(),
                expected_services=services.services,
                client=client,
                otlp_http_url=backend.otlp_url,
                clock=SystemClock(),
                sink=lambda event: None,
                timeout=10.0 if fault == "none" else 0.5,
            )
        assert canary.verdict == verdict
        assert bool(canary.cause) == (fault != "none")


async def test_what_the_backend_let_go_is_evicted_on_its_own_word(tmp_path: Path) -> None:
    async with embedded(max_bytes=100_000) as backend:
        document = await load(backend, playing(backend), tmp_path, rps=400)
    found = classes(document)
    assert set(found) == {"complete", "evicted"}
    assert found["evicted"] > 10
    (cause,) = document.causes
    assert cause.cause == "the backend evicted the trace"


async def test_a_stack_without_tracing_is_not_waited_for_until_the_deadline(tmp_path: Path) -> None:
    started = time.monotonic()
    async with embedded() as backend:
        document = await load(backend, playing(backend, "untraced"), tmp_path, patience=Patience())
    assert classes(document) == {"absent": 50}
    assert time.monotonic() - started < 20  # the deadline is 30 s


async def test_a_backend_that_refuses_is_not_waited_for_until_the_deadline(tmp_path: Path) -> None:
    started = time.monotonic()
    async with embedded() as backend:
        services = playing(backend)
    document = await load(backend, services, tmp_path, patience=Patience())
    assert classes(document) == {"unverified": 50}
    assert (document.verdict, "could not be verified" in document.verdict_reasons[-1]) == ("failed", True)
    assert time.monotonic() - started < 20
