"""Pacing and the end of a run, against a server in this process; real time, in fractions of a second."""

from __future__ import annotations

import asyncio
import gc
import json
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from load_runs import asked
from traced_services import TracedServices

from devenv.clock import SystemClock
from devenv.errors import UsageError
from devenv.events import Event, LoadProgress
from devenv.load.rows import read_rows
from devenv.load.run import run_load
from devenv.load.run_store import RunStore
from devenv.load.send.timer import LoopTimer, TimerFd
from devenv.model.extension import Scenario
from devenv.model.load_documents import LoadDocument
from devenv.testing.fake_clock import FakeClock
from devenv.traces.client import TraceClient


@asynccontextmanager
async def held(**fields: Any) -> AsyncIterator[TracedServices]:
    """Services that do not answer until their ``hold`` is set."""
    async with TracedServices(hold=asyncio.Event(), **fields) as services:
        yield services


async def run(
    services: TracedServices, folder: Path, *, sink: Any = None, stop: asyncio.Event | None = None, **fields: Any
) -> LoadDocument:
    values: dict[str, Any] = {"rps": 200, "duration": 0.3, "scenario": Scenario(), "target": services.url}
    client, clock = fields.pop("client", None), fields.pop("clock", None)
    gone = fields.pop("gone", lambda: False)
    return await run_load(
        *asked(**values | fields),
        client=client,
        otlp_http_url=None,
        expected_services=(),
        clock=clock or SystemClock(),
        sink=sink or (lambda event: None),
        store=RunStore(folder),
        stop=stop or asyncio.Event(),
        gone=gone,
    )


def left_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_requests_leave_when_they_are_due_and_not_before(tmp_path: Path) -> None:
    async with TracedServices() as services:
        document = await run(services, tmp_path)
    rows = read_rows(tmp_path / document.run_id / "rows")
    assert list(rows["number"]) == list(range(60))
    assert list(rows["intended"]) == [round(number * 1e9 / 200) for number in range(60)]
    assert (rows["actual"] >= rows["intended"]).all()
    assert (rows["end"] > rows["actual"]).all()
    assert document.sent == document.completed == 60
    assert sum(document.traces.model_dump().values()) == document.traces.unverified == 60


async def test_a_server_that_never_answers_does_not_slow_the_sending_and_the_bound_drops(tmp_path: Path) -> None:
    async with held() as services:
        document = await run(services, tmp_path, max_in_flight=10, timeout=0.35)
    assert (document.sent, document.dropped, document.completed) == (10, 50, 0)
    assert document.errors == {"timeout": 10}
    assert document.response_ms.max >= 350


async def test_answers_are_waited_for_after_the_last_request(tmp_path: Path) -> None:
    async with held() as services:

        def release(event: Event) -> None:
            if isinstance(event, LoadProgress) and event.sent == 20:
                assert services.hold is not None
                services.hold.set()

        document = await run(services, tmp_path, sink=release, duration=0.1)
    assert (document.sent, document.completed, document.errors) == (20, 20, {})
    assert document.achieved_rps == pytest.approx(200)


async def test_after_stopping_answers_are_waited_for_only_shortly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devenv.load.send.sending._HURRY", 0.1)
    stop = asyncio.Event()
    async with held() as services:

        def interrupt(event: Event) -> None:
            if isinstance(event, LoadProgress) and event.sent > 10:
                stop.set()

        document = await run(services, tmp_path, sink=interrupt, stop=stop, duration=60, timeout=60)
    assert document.interrupted
    assert document.errors == {"cancelled": document.sent}
    assert document.duration_s < 10


async def test_a_run_that_is_cancelled_while_sending_leaves_nothing(tmp_path: Path) -> None:
    started = asyncio.Event()
    async with held() as services:
        task = asyncio.ensure_future(run(services, tmp_path, sink=lambda event: started.set(), duration=60))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert left_in(tmp_path) == []


async def test_a_run_that_is_cancelled_while_it_is_verified_is_kept(tmp_path: Path) -> None:
    waiting = asyncio.Event()

    class Stuck(FakeClock):
        async def sleep(self, seconds: float) -> None:
            waiting.set()
            await asyncio.Event().wait()

    async with TracedServices() as services, TraceClient(services.url) as client:
        task = asyncio.ensure_future(run(services, tmp_path, client=client, clock=Stuck(), duration=0.05))
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    (document,) = RunStore(tmp_path).list()
    assert (document.sent, document.traces.unverified) == (10, 10)


async def test_the_collector_and_its_settings_come_back(tmp_path: Path) -> None:
    before = gc.get_threshold()
    seen = []
    async with TracedServices() as services:
        await run(services, tmp_path, duration=0.05, sink=lambda event: seen.append(gc.get_threshold()))
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
    assert before not in seen[:-1]


async def test_sockets_for_all_that_may_be_in_flight_are_allowed_for(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        async with TracedServices() as services:
            await run(services, tmp_path, duration=0.05, max_in_flight=500)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == min(756, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"target": "localhost:80"}, "target: not an http"),
        ({"fail": ("p99<5",)}, "threshold 'p99<5'"),
        ({"fail": ("traced==100%",)}, "requires trace verification"),
        ({"duration": 0.001}, "the run would send 0 requests"),
    ],
)
async def test_what_cannot_be_is_refused_before_anything_is_sent(
    tmp_path: Path, fields: dict[str, Any], message: str
) -> None:
    async with TracedServices() as services:
        with pytest.raises(UsageError, match=message):
            await run(services, tmp_path, **fields)
        assert services.connections == 0
    assert left_in(tmp_path) == []


async def test_secrets_of_the_scenario_are_not_kept(tmp_path: Path) -> None:
    scenario = Scenario(method="POST", headers={"authorization": "Bearer hush"}, body={"password": "hush"})
    async with TracedServices() as services:
        document = await run(services, tmp_path, scenario=scenario, duration=0.05)
        assert services.headers[0]["authorization"] == "Bearer hush"
    folder = tmp_path / document.run_id
    assert b"hush" not in b"".join(path.read_bytes() for path in folder.iterdir())
    assert json.loads((folder / "run.json").read_text())["record"]["options"]["method"] == "POST"


@pytest.mark.parametrize("kind", [TimerFd, LoopTimer])
async def test_a_timer_fires_once_and_not_early(kind: Any) -> None:
    loop, fired = asyncio.get_running_loop(), asyncio.Event()
    count = 0

    def fire() -> None:
        nonlocal count
        count += 1
        fired.set()

    timer = kind(loop, fire)
    timer.set(10**12)
    begun = loop.time()
    timer.set(20_000_000)
    async with asyncio.timeout(5):
        await fired.wait()
    assert loop.time() - begun >= 0.019
    fired.clear()
    timer.set(-5)
    async with asyncio.timeout(5):
        await fired.wait()
    assert count == 2
    timer.close()
    timer.close()


async def test_a_run_ends_when_its_project_is_removed(tmp_path: Path) -> None:
    async with TracedServices() as services:
        document = await run(services, tmp_path, duration=30, gone=lambda: True)
    assert (document.interrupted, document.interrupted_by, document.verdict) == (True, "down", "failed")
    assert document.duration_s < 2
    assert document.verdict_reasons[0].endswith(", as the project was removed")
