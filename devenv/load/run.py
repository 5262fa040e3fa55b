"""A whole run: send, account for every request, sum up, keep."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from devenv.analysis.causes import Setup
from devenv.analysis.completeness import Expectation
from devenv.analysis.thresholds import parse_threshold
from devenv.clock import Clock
from devenv.errors import UsageError
from devenv.events import Notice, Sink
from devenv.load.accounting import NOTHING, Account, choose, make_account
from devenv.load.options import LoadOptions
from devenv.load.roots import RootSpans
from devenv.load.rows import read_rows, write_rows
from devenv.load.runs import RunStore, new_run_id
from devenv.load.schedule import Schedule, make_schedule
from devenv.load.sending import Outcome, Sending
from devenv.load.summary import summarize_run
from devenv.load.verification import Patience, Verifier
from devenv.model.documents import LoadDocument
from devenv.model.run import RunRecord, Threshold
from devenv.traces.export import SpanExporter
from devenv.traces.http import Origin
from devenv.traces.source import TraceSource


async def run_load(
    options: LoadOptions,
    *,
    client: TraceSource | None,
    otlp_http_url: str | None,
    expected_services: Collection[str],
    clock: Clock,
    sink: Sink,
    store: RunStore,
    stop: asyncio.Event,
    setups: Mapping[str, Setup] | None = None,
    patience: Patience | None = None,
) -> LoadDocument:
    """Run a load and account for every request; best on uvloop, with little else on the event loop.

    Args:
        options: what to send.
        client: of the trace backend; ``None``: nothing is looked up.
        otlp_http_url: where the root spans go; ``None``: nowhere.
        expected_services: services that each trace has to hold; empty: learnt from the traces.
        clock: paces the looks into the backend, and dates the run; the sending itself keeps real time.
        sink: gets the events.
        store: keeps the run.
        stop: set to end early and keep what there is.
        setups: what is known of the services' tracing settings, to name causes.
        patience: how long traces are waited for.

    Raises:
        UsageError: the options cannot be; nothing was sent.
    """
    verifies = client is not None and options.verify
    thresholds = _thresholds(options, verifies=verifies)
    schedule = make_schedule(options)
    _check_target(options.target)
    run = _Run(options, thresholds, schedule, new_run_id(clock.now()), store, sink)
    await run.send(otlp_http_url, stop)
    try:
        if client is not None and verifies:
            expectation = Expectation(services=frozenset(expected_services), setups=dict(setups or {}))
            verifier = Verifier(
                client, expectation, clock=clock, sink=sink, patience=patience or Patience(), hurried=stop.is_set
            )
            await run.verify(verifier)
    finally:
        document = run.keep(client)  # what was sent is kept whatever becomes of its verification
    return document


@dataclass(slots=True)
class _Run:
    """A run on its way."""

    options: LoadOptions
    thresholds: tuple[Threshold, ...]
    schedule: Schedule
    run_id: str
    store: RunStore
    sink: Sink
    outcome: Outcome = field(init=False)
    roots_taken: bool = False
    account: Account = NOTHING

    async def send(self, otlp_http_url: str | None, stop: asyncio.Event) -> None:
        """Send the requests, and the root spans that are left; a run that cannot be sent leaves nothing."""
        rows = self.store.begin(self.run_id)
        try:
            if otlp_http_url is None:
                self.outcome = await self._sending(None).run(stop)
                return
            async with SpanExporter(otlp_http_url) as exporter:
                roots = RootSpans(exporter)
                self.outcome = await self._sending(roots).run(stop)
                await roots.drain()
        except BaseException:
            rows.unlink(missing_ok=True)
            self.store.discard(self.run_id)
            raise
        self.roots_taken = roots.lost == 0
        if roots.lost:
            text = f"{roots.lost} of devenv's own root spans were not taken by the trace backend: {roots.failure}"
            self.sink(Notice(message=text, warning=True))

    async def verify(self, verifier: Verifier) -> None:
        """Look the requests up; those for which the backend does not answer stay unverified, and a notice says so."""
        rows = read_rows(self.store.rows_path(self.run_id))
        everything = any(threshold.metric == "traced" for threshold in self.thresholds)
        chosen = choose(rows, self.outcome.wall_ns, everything=everything)
        if chosen.left_out:
            text = (
                f"{len(chosen.requests)} of {len(rows)} requests are looked up, evenly chosen; the rest is unverified"
            )
            self.sink(Notice(message=text))
        found = await verifier.verify(chosen.requests, roots_taken=self.roots_taken)
        if found.failure:
            count = len(chosen.requests) - len(found.classes)
            self.sink(Notice(message=f"{count} requests stay unverified: {found.failure}", warning=True))
        self.account = make_account(found)

    def keep(self, client: TraceSource | None) -> LoadDocument:
        """Write the rows with their classes and the document, and return it."""
        path = self.store.rows_path(self.run_id)
        rows = read_rows(path)
        self.account.apply(rows)
        write_rows(path, rows)
        document = summarize_run(
            self.options,
            self.run_id,
            rows,
            self.outcome,
            self.account,
            thresholds=self.thresholds,
            target_rps=self.schedule.mean_rps,
            client=client,
        )
        record = RunRecord(
            run_id=self.run_id, started_ns=self.outcome.wall_ns, rows=len(rows), options=self.options.record()
        )
        self.store.save(document, record)
        return document

    def _sending(self, roots: RootSpans | None) -> Sending:
        return Sending(
            self.options,
            self.schedule,
            run_id=self.run_id,
            rows=self.store.rows_path(self.run_id),
            roots=roots,
            sink=self.sink,
        )


def _thresholds(options: LoadOptions, *, verifies: bool) -> tuple[Threshold, ...]:
    thresholds = tuple(parse_threshold(expression) for expression in options.fail)
    for threshold in thresholds:
        if threshold.metric == "traced" and not verifies:
            raise UsageError(
                f"threshold {threshold.expression!r} needs the traces to be looked up",
                hint="leave out --no-verify, and have a trace backend up",
            )
    return thresholds


def _check_target(target: str) -> None:
    try:
        Origin.parse(target)
    except ValueError as error:
        raise UsageError(f"target: {error}", hint="such as http://127.0.0.1:8080") from error
