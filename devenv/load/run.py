"""A whole run: send, verify every request, summarize, save."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from devenv.analysis.callees import NO_CALLEES, Callees
from devenv.analysis.causes import Setup
from devenv.analysis.completeness import Expectation
from devenv.analysis.thresholds import parse_threshold
from devenv.clock import Clock
from devenv.errors import UsageError
from devenv.events import Notice, Sink
from devenv.load.options import LoadOptions
from devenv.load.rows import read_rows, write_rows
from devenv.load.run_store import RunStore, new_run_id
from devenv.load.schedule import Schedule, make_schedule
from devenv.load.send.root_spans import RootSpans, root_span_sender
from devenv.load.send.sending import Sending, SendingOutcome
from devenv.load.summary import summarize_run
from devenv.load.verify.accounting import NOTHING, Account, choose, make_account
from devenv.load.verify.verification import Patience, Verifier
from devenv.load.workload import Workload, options_record
from devenv.model.counts import plural
from devenv.model.load_documents import LoadDocument
from devenv.model.run import RunRecord, Threshold
from devenv.traces.export import SpanExporter
from devenv.traces.source import TraceSource

_WATCH_INTERVAL = 0.5


async def run_load(
    options: LoadOptions,
    workload: Workload,
    *,
    client: TraceSource | None,
    otlp_http_url: str | None,
    expected_services: Collection[str],
    clock: Clock,
    sink: Sink,
    store: RunStore,
    stop: asyncio.Event,
    setups: Mapping[str, Setup] | None = None,
    callees: Callees = NO_CALLEES,
    entrypoint: str = "",
    patience: Patience | None = None,
    gone: Callable[[], bool] = lambda: False,
) -> LoadDocument:
    """Run a load and verify the trace of every request; best on uvloop, with little else on the event loop.

    Args:
        options: rate, limits and thresholds.
        workload: the request and its target.
        client: of the trace backend; ``None``: no trace is looked up.
        otlp_http_url: receiver of the root spans; ``None``: none are exported.
        expected_services: services that each trace has to contain; empty: learnt from the traces.
        clock: paces the look-ups, and dates the run; the sending itself uses real time.
        sink: gets the events.
        store: saves the run.
        stop: set to end early and keep the requests that were sent.
        setups: the known tracing settings of the services, to name causes.
        callees: the stack's services by address; all those that are called need a span, too.
        entrypoint: service name of the entry point's spans; empty if unknown.
        patience: how long to wait for traces.
        gone: returns whether the project was removed; the run ends then, as nothing can answer or be verified.

    Raises:
        UsageError: If a threshold or the number of requests is not valid; nothing was sent.
    """
    verifies = client is not None and options.verify
    thresholds = _thresholds(options, verifies=verifies)
    schedule = make_schedule(options)
    run = _Run(options, workload, thresholds, schedule, new_run_id(clock.now()), store, sink, gone)
    await run.send(otlp_http_url, stop)
    try:
        if client is not None and verifies:
            expectation = Expectation(
                services=frozenset(expected_services),
                callees=callees,
                entrypoint=entrypoint,
                setups=dict(setups or {}),
            )
            verifier = Verifier(
                client,
                expectation,
                clock=clock,
                sink=sink,
                patience=patience or Patience(),
                hurried=stop.is_set,
                gone=gone,
            )
            await run.verify(verifier)
    finally:
        document = run.save(client)  # the requests are saved even if their verification fails
    return document


@dataclass(slots=True)
class _Run:
    """A run in progress."""

    options: LoadOptions
    workload: Workload
    thresholds: tuple[Threshold, ...]
    schedule: Schedule
    run_id: str
    store: RunStore
    sink: Sink
    gone: Callable[[], bool]
    outcome: SendingOutcome = field(init=False)
    roots_taken: bool = False
    account: Account = NOTHING
    removed: bool = False

    async def send(self, otlp_http_url: str | None, stop: asyncio.Event) -> None:
        """Send the requests and the remaining root spans; a run that cannot be sent leaves no files."""
        rows = self.store.begin(self.run_id)
        watcher = asyncio.ensure_future(self._stop_if_gone(stop))
        try:
            if otlp_http_url is None:
                self.outcome = await self._sending(None).run(stop)
                return
            async with SpanExporter(otlp_http_url, sender=root_span_sender) as exporter:
                roots = RootSpans(exporter)
                self.outcome = await self._sending(roots).run(stop)
                await roots.drain()
        except BaseException:
            rows.unlink(missing_ok=True)
            self.store.discard(self.run_id)
            raise
        finally:
            watcher.cancel()
        self.roots_taken = roots.lost == 0
        if roots.lost:
            lost = plural(roots.lost, "root span")
            text = f"the trace backend did not accept {lost} of the load generator: {roots.failure}"
            self.sink(Notice(message=text, warning=True))

    async def verify(self, verifier: Verifier) -> None:
        """Look the requests up; without an answer of the backend they stay unverified, with a notice."""
        rows = read_rows(self.store.rows_path(self.run_id))
        everything = any(threshold.metric == "traced" for threshold in self.thresholds)
        chosen = choose(rows, self.outcome.wall_ns, everything=everything)
        if chosen.left_out:
            verified = f"{len(chosen.requests)} of {len(rows)} requests"
            self.sink(Notice(message=f"verifying {verified}, evenly sampled; the others stay unverified"))
        found = await verifier.verify(chosen.requests, roots_taken=self.roots_taken)
        if found.failure:
            unverified = plural(len(chosen.requests) - len(found.classes), "request")
            self.sink(Notice(message=f"{unverified} not verified: {found.failure}", warning=True))
        self.account = make_account(found)

    def save(self, client: TraceSource | None) -> LoadDocument:
        """Write the rows with their classes and the document, and return the document."""
        path = self.store.rows_path(self.run_id)
        rows = read_rows(path)
        self.account.apply(rows)
        write_rows(path, rows)
        document = summarize_run(
            self.options,
            self.workload,
            self.run_id,
            rows,
            self.outcome,
            self.account,
            thresholds=self.thresholds,
            target_rps=self.schedule.mean_rps,
            client=client,
            removed=self.removed,
        )
        record = RunRecord(
            run_id=self.run_id,
            started_ns=self.outcome.wall_ns,
            rows=len(rows),
            options=options_record(self.options, self.workload),
        )
        self.store.save(document, record)
        return document

    async def _stop_if_gone(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await asyncio.sleep(_WATCH_INTERVAL)
            if self.gone():
                self.removed = True
                stop.set()

    def _sending(self, roots: RootSpans | None) -> Sending:
        return Sending(
            self.options,
            self.workload,
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
                f"threshold {threshold.expression!r} requires trace verification",
                hint="remove --no-verify and make sure that a trace backend is running",
            )
    return thresholds
