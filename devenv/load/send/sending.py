"""The sending part of a run: from the first request to the last response."""

from __future__ import annotations

import asyncio
import gc
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devenv.events import LoadProgress, Notice, Sink
from devenv.immutable import immutable
from devenv.load.options import LoadOptions
from devenv.load.redaction import redacted_path
from devenv.load.schedule import Schedule
from devenv.load.send.client import LoadClient
from devenv.load.send.flight import Flight
from devenv.load.send.generator import Generator
from devenv.load.send.histogram import Histogram
from devenv.load.send.recorder import Recorder
from devenv.load.send.request_headers import RETRIABLE_METHODS, is_success
from devenv.load.send.request_template import RequestTemplate
from devenv.load.send.root_spans import RootEncoder, RootSpans
from devenv.load.workload import Workload
from devenv.model.counts import plural
from devenv.model.run import RequestError
from devenv.model.span import Value
from devenv.race import first

_SWEEP = 0.1
_PROGRESS = 0.5
_HURRY = 2.0
"""Seconds to wait for responses after Ctrl-C."""

_OTHER_FILES = 256
"""Descriptors for all but the requests' connections: rows, the trace backend, the event loop."""


@immutable(kw_only=True)
class SendingOutcome:
    """Result of the sending.

    Attributes:
        elapsed: seconds of sending: the schedule's duration, or until the interruption.
        wall_ns: wall time of the start, nanoseconds since the epoch; the rows count from it.
        cpu_seconds: of this process, from the start to the last answer.
    """

    sent: int
    completed: int
    failed: int
    dropped: int
    elapsed: float
    wall_ns: int
    cpu_seconds: float
    interrupted: bool


class Sending:
    """Sends the requests of a run, once."""

    def __init__(
        self,
        options: LoadOptions,
        workload: Workload,
        schedule: Schedule,
        *,
        run_id: str,
        rows: Path,
        roots: RootSpans | None,
        sink: Sink,
    ) -> None:
        self._options = options
        self._workload = workload
        self._schedule = schedule
        self._origin = workload.origin
        self._run_id = run_id
        self._rows = rows
        self._roots = roots
        self._sink = sink
        self._histogram = Histogram()
        self._max_in_flight = options.max_in_flight
        self._completed = 0
        self._wall_ns = 0

    async def run(self, stop: asyncio.Event) -> SendingOutcome:
        """Send all requests, or those due until ``stop`` is set, and wait for the responses."""
        self._max_in_flight = _allow_sockets(self._options.max_in_flight)
        if self._max_in_flight < self._options.max_in_flight:
            allowed = f"{plural(self._max_in_flight, 'request')} in flight, not {self._options.max_in_flight}"
            text = f"the limit of open files allows {allowed}; raise it with `ulimit -n`"
            self._sink(Notice(message=text, warning=True))
        with Recorder(self._rows) as recorder, _quiet_collector():
            self._recorder = recorder
            client = self._client()
            await client.resolve()
            try:
                return await self._run(client, stop)
            finally:
                client.cancel()
                client.close()

    def _client(self) -> LoadClient:
        method = self._workload.scenario.method
        return LoadClient(
            self._origin,
            timeout=self._options.timeout,
            retriable=method in RETRIABLE_METHODS,
            head_only=method == "HEAD",
            finished=self._finished,
        )

    async def _run(self, client: LoadClient, stop: asyncio.Event) -> SendingOutcome:
        generator = Generator(
            self._schedule.offsets(),
            client=client,
            message=RequestTemplate(self._origin, self._workload.request),
            sampling=self._workload.sampling,
            max_in_flight=self._max_in_flight,
        )
        cpu = time.process_time()
        self._wall_ns = client.begin()
        self._encoder = self._root_encoder()
        beside = [asyncio.ensure_future(self._sweep(client)), asyncio.ensure_future(self._report(client, generator))]
        if self._roots is not None:
            beside.append(asyncio.ensure_future(self._roots.run()))
        try:
            generator.start()
            interrupted = await _until(generator.finished, stop)
            elapsed = client.now() / 1e9 if interrupted else self._schedule.duration
            generator.stop()
            await self._last_answers(client, stop)
        finally:
            generator.stop()
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
        client.cancel()
        self._sink(self._progress(client, generator))
        return SendingOutcome(
            sent=generator.sent,
            completed=self._completed,
            failed=self._recorder.failed,
            dropped=generator.dropped,
            elapsed=elapsed,
            wall_ns=self._wall_ns,
            cpu_seconds=time.process_time() - cpu,
            interrupted=interrupted,
        )

    async def _last_answers(self, client: LoadClient, stop: asyncio.Event) -> None:
        """Wait until no request is in flight; the sweep enforces the timeout, Ctrl-C shortens the wait."""
        hurry: float | None = None
        while client.in_flight:
            if stop.is_set() and hurry is None:
                hurry = client.now() / 1e9 + _HURRY
            if hurry is not None and client.now() / 1e9 >= hurry:
                return
            await client.settled(_SWEEP)

    def _finished(self, flight: Flight, end: int, status: int, error: RequestError) -> None:
        if status:
            self._completed += 1
            if not is_success(self._workload.scenario, status):
                error = RequestError.STATUS
        self._recorder.add(flight, end, status, error)
        if self._roots is not None and flight.sampled:
            self._roots.add(self._encoder.encode(flight, end, status, error))

    def _root_encoder(self) -> RootEncoder:
        scenario = self._workload.scenario
        attributes: dict[str, Value] = {
            "devenv.scenario": self._workload.scenario_name,
            "http.request.method": scenario.method,
            "url.path": redacted_path(self._origin.path + scenario.path.partition("?")[0]),
            "server.address": self._origin.host,
            "server.port": self._origin.port,
        }
        return RootEncoder(self._run_id, f"load {self._workload.scenario_name}", attributes, self._wall_ns)

    async def _sweep(self, client: LoadClient) -> None:
        while True:
            await asyncio.sleep(_SWEEP)
            client.sweep()

    async def _report(self, client: LoadClient, generator: Generator) -> None:
        while True:
            self._sink(self._progress(client, generator))
            await asyncio.sleep(_PROGRESS)

    def _progress(self, client: LoadClient, generator: Generator) -> LoadProgress:
        self._histogram.add(self._recorder.take_fresh())
        elapsed = min(client.now() / 1e9, self._schedule.duration)
        return LoadProgress(
            elapsed_s=elapsed,
            duration_s=self._schedule.duration,
            sent=generator.sent,
            completed=self._completed,
            failed=self._recorder.failed,
            in_flight=client.in_flight,
            rate=generator.sent / elapsed if elapsed >= _PROGRESS / 2 else 0.0,  # too early for a meaningful rate
            p50_ms=self._histogram.quantile(0.5) / 1e6,
            p99_ms=self._histogram.quantile(0.99) / 1e6,
        )


async def _until(finished: asyncio.Event, stop: asyncio.Event) -> bool:
    """Wait for either; return whether ``stop`` was set while requests were still due."""
    await first(finished.wait(), stop.wait())
    return stop.is_set() and not finished.is_set()


@contextmanager
def _quiet_collector() -> Iterator[None]:
    """Keep Python's cycle collector from pausing the run: existing objects are frozen, and it runs rarely."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 50, 1000)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _allow_sockets(count: int) -> int:
    """Raise the soft limit of open files for one connection per request in flight, and return how many it allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = max(wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), soft)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return count if soft == resource.RLIM_INFINITY or soft >= wanted else max(soft - min(_OTHER_FILES, soft // 2), 1)
