"""Load runs against a real Jaeger: every request is accounted for, whatever its services do to its trace."""

from __future__ import annotations

import asyncio
import functools
import json
import secrets
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop
from load_runs import asked
from traced_services import Fault, TracedServices

from devenv.clock import SystemClock
from devenv.events import Event, LoadProgress, Notice, VerifyProgress
from devenv.load.run import run_load
from devenv.load.run_store import RunStore
from devenv.load.verify.verification import Patience
from devenv.model.extension import Scenario
from devenv.model.load_documents import LoadDocument
from devenv.traces.client import TraceClient

pytestmark = pytest.mark.jaeger

SHORT = Patience(1.0, 2.0)
"""For traces that will never be complete; the others are waited for no longer than they take."""


def on_uvloop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test as the command line runs load."""

    @functools.wraps(test)
    def run(**fixtures: Any) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(test(**fixtures))

    return run


def playing(jaeger: Any, fault: Fault = "none", **fields: Any) -> TracedServices:
    return TracedServices(jaeger.otlp_url, fault, prefix=f"l{secrets.token_hex(3)}-", **fields)


async def load(
    jaeger: Any, services: TracedServices, folder: Path, *, events: list[Event] | None = None, **fields: Any
) -> LoadDocument:
    run_fields = {"expected_services": services.services, "patience": Patience(3.0, 6.0), "stop": asyncio.Event()}
    run_fields |= {key: fields.pop(key) for key in list(fields) if key in {*run_fields, "otlp_http_url", "setups"}}
    async with services, TraceClient(jaeger.query_url) as client:
        values: dict[str, Any] = {
            "rps": 100,
            "duration": 0.5,
            "scenario": Scenario(path="/x?a=b"),
            "scenario_name": "shop",
            "target": services.url,
        }
        return await run_load(
            *asked(**values | fields),
            client=client,
            clock=SystemClock(),
            sink=(events if events is not None else []).append,
            store=RunStore(folder / "runs"),
            **{"otlp_http_url": jaeger.otlp_url} | run_fields,
        )


def classes(document: LoadDocument) -> dict[str, int]:
    counts = document.traces.model_dump()
    assert sum(counts.values()) == document.sent
    return {name: count for name, count in counts.items() if count}


async def recount(jaeger: Any, document: LoadDocument) -> list[dict[str, Any]]:
    """The run's traces by Jaeger's API alone, found by their root spans."""
    tags = urllib.parse.quote(json.dumps({"devenv.run": document.run_id}))
    url = f"{jaeger.query_url}/api/traces?service=devenv&limit=2000&lookback=1h&tags={tags}"
    answer = await asyncio.to_thread(lambda: json.load(urllib.request.urlopen(url)))
    return answer["data"]


@on_uvloop
async def test_every_request_of_a_good_stack_is_complete(jaeger: Any, tmp_path: Path) -> None:
    services, events = playing(jaeger), []
    document = await load(
        jaeger, services, tmp_path, events=events, fail=("traced==100%", "errors==0", "max<9s", "rate>=1")
    )
    assert classes(document) == {"complete": 50}
    assert (document.sent, document.completed, document.errors, document.dropped) == (50, 50, {}, 0)
    assert document.target_rps == 100
    assert 90 < document.achieved_rps <= 100.001
    assert [(each.expr, each.ok) for each in document.thresholds][:2] == [("traced==100%", True), ("errors==0", True)]
    assert all(each.ok for each in document.thresholds)
    assert document.response_ms.p50 is not None
    assert document.response_ms.p99 is None  # 50 samples do not have one
    assert document.service_ms.max <= document.response_ms.max
    assert document.cpu_us_per_request > 0
    assert len(services.headers) == 50
    assert services.paths == ["GET /x?a=b HTTP/1.1"] * 50
    progress = [event for event in events if isinstance(event, LoadProgress)]
    assert (progress[-1].sent, progress[-1].completed, progress[-1].in_flight) == (50, 50, 0)
    found = [event for event in events if isinstance(event, VerifyProgress)]
    assert (found[-1].found, found[-1].total) == (50, 50)

    whole = await recount(jaeger, document)
    assert len(whole) == 50
    for trace in whole:
        ids = {span["spanID"] for span in trace["spans"]}
        assert len(ids) == 6
        assert all(ref["spanID"] in ids for span in trace["spans"] for ref in span["references"])
    sent = {headers["traceparent"].split("-")[1] for headers in services.headers}
    assert {trace["traceID"] for trace in whole} == sent
    assert {each.trace_id for each in document.slowest} <= sent
    assert len(document.slowest) == 5
    assert document.slowest[0].ui_url == f"{jaeger.query_url}/trace/{document.slowest[0].trace_id}"
    assert document.ui_url.startswith(f"{jaeger.query_url}/search?service=devenv")
    assert await asyncio.to_thread(lambda: urllib.request.urlopen(document.ui_url).status) == 200


@pytest.mark.parametrize(
    ("fault", "trace_class", "cause"),
    [
        (
            "propagation",
            "partial",
            "propagation broken between {}gateway and {}auth: {}auth has spans in other traces (split suspected)",
        ),
        ("split", "split", "propagation broken between {}gateway and {}auth: {}auth's spans are in a separate trace"),
        (
            "dropped",
            "partial",
            "no span from {}auth, but {}user received its context: {}auth's exporter probably dropped spans",
        ),
        ("orphan", "orphaned", "the parent of {}user's 'SERVER' did not arrive: probably dropped by {}auth's exporter"),
        ("untraced", "absent", "only devenv's root span arrived"),
    ],
)
@on_uvloop
async def test_each_fault_has_its_class_and_cause(
    jaeger: Any, tmp_path: Path, fault: Fault, trace_class: str, cause: str
) -> None:
    services = playing(jaeger, fault)
    document = await load(jaeger, services, tmp_path, fail=("traced==100%",), patience=SHORT)
    assert classes(document) == {trace_class: 50}
    (reason,) = document.causes
    assert (reason.trace_class, reason.count) == (trace_class, 50)
    assert reason.cause.startswith(cause.replace("{}", services.prefix))
    assert reason.example in {headers["traceparent"].split("-")[1] for headers in services.headers}
    (threshold,) = document.thresholds
    assert (threshold.value, threshold.ok) == (0.0, False)


@on_uvloop
async def test_a_few_split_requests_are_found_one_by_one(jaeger: Any, tmp_path: Path) -> None:
    document = await load(jaeger, playing(jaeger, "split"), tmp_path, rps=20, patience=SHORT)
    assert classes(document) == {"split": 10}


@on_uvloop
async def test_spans_after_the_settling_time_are_late(jaeger: Any, tmp_path: Path) -> None:
    services = playing(jaeger, "unexported")

    class Watching(list[Event]):
        """Lets the spans go when a look that began after the settling time has found nothing."""

        looks: list[float]

        def append(self, event: Event) -> None:
            if isinstance(event, VerifyProgress) and event.found == 0:
                self.looks = [*getattr(self, "looks", []), time.monotonic()]
                if sum(look - self.looks[0] > 0.6 for look in self.looks) == 2:
                    self.flushing = asyncio.ensure_future(services.flush())

    document = await load(
        jaeger, services, tmp_path, events=Watching(), fail=("traced==100%",), patience=Patience(0.6, 10.0)
    )
    assert classes(document) == {"late": 50}
    assert document.thresholds[0].ok


@on_uvloop
async def test_errors_are_counted_by_kind_and_have_a_cause(jaeger: Any, tmp_path: Path) -> None:
    services = playing(jaeger, statuses=(503,) * 10 + (0,) * 5, keep_alive=False)
    document = await load(jaeger, services, tmp_path, fail=("errors<1%", "errors==15"))
    assert document.errors == {"http_503": 10, "closed": 5}
    assert (document.sent, document.completed) == (50, 45)
    assert classes(document) == {"complete": 35, "absent": 15}
    causes = {cause.cause.partition(":")[0]: cause.count for cause in document.causes}
    assert causes == {"the request failed (http_503)": 10, "the request failed (closed)": 5}
    assert [(each.value, each.ok) for each in document.thresholds] == [(30.0, False), (15.0, True)]


@on_uvloop
async def test_a_target_that_is_not_there(jaeger: Any, tmp_path: Path) -> None:
    services = playing(jaeger)
    async with services:
        pass
    gone = services.url
    document = await load(jaeger, playing(jaeger), tmp_path, target=gone)
    assert (document.errors, document.completed) == ({"refused": 50}, 0)
    assert classes(document) == {"absent": 50}
    assert document.response_ms.max is None
    assert "no connection to the entry point" in document.causes[0].cause


@on_uvloop
async def test_unsampled_requests_are_a_class_of_their_own(jaeger: Any, tmp_path: Path) -> None:
    services = playing(jaeger)
    document = await load(jaeger, services, tmp_path, rps=400, sampling=0.25, fail=("traced==100%",))
    sampled = sum(headers["traceparent"].endswith("-03") for headers in services.headers)
    assert classes(document) == {"complete": sampled, "unsampled": 200 - sampled}
    assert 10 < sampled < 100
    assert document.thresholds[0].ok


@on_uvloop
async def test_expected_services_are_learnt_from_the_traces(jaeger: Any, tmp_path: Path) -> None:
    document = await load(jaeger, playing(jaeger), tmp_path, expected_services=(), patience=Patience(3.0, 6.0))
    assert classes(document) == {"complete": 50}


@on_uvloop
async def test_without_verification_all_are_unverified(jaeger: Any, tmp_path: Path) -> None:
    document = await load(jaeger, playing(jaeger), tmp_path, verify=False)
    assert classes(document) == {"unverified": 50}


@on_uvloop
async def test_a_backend_that_takes_no_spans_is_stated(jaeger: Any, tmp_path: Path) -> None:
    gone = TracedServices()
    async with gone:
        pass
    events: list[Event] = []
    document = await load(jaeger, playing(jaeger), tmp_path, events=events, otlp_http_url=gone.url, patience=SHORT)
    assert classes(document) == {"orphaned": 50}
    assert document.causes[0].cause.startswith("devenv's root span, the parent of")
    warnings = [event.message for event in events if isinstance(event, Notice) and event.warning]
    assert warnings[0].startswith("the trace backend did not accept 50 root spans")


@on_uvloop
async def test_stopping_early_keeps_what_there_is(jaeger: Any, tmp_path: Path) -> None:
    stop = asyncio.Event()

    class Stopping(list[Event]):
        def append(self, event: Event) -> None:
            if isinstance(event, LoadProgress) and event.elapsed_s > 0.4:
                stop.set()

    document = await load(jaeger, playing(jaeger), tmp_path, events=Stopping(), duration=30, stop=stop)
    assert document.interrupted
    assert 20 < document.sent < 500
    assert document.duration_s < 5
    assert 80 < document.achieved_rps < 120
    assert classes(document) == {"complete": document.sent}
    assert RunStore(tmp_path / "runs").latest() == document


@on_uvloop
async def test_a_run_is_kept_with_its_rows(jaeger: Any, tmp_path: Path) -> None:
    document = await load(jaeger, playing(jaeger), tmp_path, name="first")
    store = RunStore(tmp_path / "runs")
    assert store.list() == [document]
    assert store.document("first") == document
    record = store.record(document.run_id)
    assert (record.rows, record.options["scenario"], record.options["rps"]) == (50, "shop", 100)
    assert store.rows_path(document.run_id).stat().st_size == 50 * 64


@on_uvloop
async def test_the_oldest_traces_that_a_small_store_drops_are_evicted(jaeger_factory: Any, tmp_path: Path) -> None:
    small = jaeger_factory(backend={"memory": {"max_traces": 60}})
    document = await load(small, playing(small), tmp_path, rps=50, duration=2, patience=SHORT)
    assert classes(document) == {"complete": 60, "evicted": 40}
    assert "max_traces" in document.causes[0].cause


@on_uvloop
async def test_two_faults_in_one_run_are_told_apart(jaeger: Any, tmp_path: Path) -> None:
    """The services trace well and answer 503 to some: each request ends in one class, with one cause a class."""
    services = playing(jaeger, statuses=tuple(503 if number % 5 == 0 else 200 for number in range(50)))
    document = await load(jaeger, services, tmp_path)
    assert Counter(document.errors) == {"http_503": 10}
    assert classes(document) == {"complete": 40, "absent": 10}


@on_uvloop
async def test_a_stack_without_tracing_is_not_waited_for_until_the_deadline(
    jaeger_factory: Any, tmp_path: Path
) -> None:
    fresh, started = jaeger_factory(), time.monotonic()
    document = await load(fresh, playing(fresh, "untraced"), tmp_path, expected_services=(), patience=Patience())
    assert classes(document) == {"absent": 50}
    assert time.monotonic() - started < 20  # the deadline is 30 s
