"""The histograms of durations, and what measures without any library: also on the oldest Python, without the SDK."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from typing import Any

import pytest

from devenv import tracing
from devenv.tracing.active import state
from devenv.tracing.integrations import sqlite
from devenv.tracing.metrics.instruments import DATABASE, HTTP_CLIENT, HTTP_SERVER, OVERFLOW, attributes_of
from devenv.tracing.metrics.store import MOST_SERIES, ExplicitHistogram, Meter
from devenv.tracing.process import patching
from devenv.tracing.testing import recording


def nothing() -> None:
    """Begin nothing."""


def test_a_bound_belongs_to_the_bucket_below():
    histogram = ExplicitHistogram(DATABASE, False, nothing)
    for seconds in (0.0, 0.001, 0.0010001, 10.0, 10.1):
        histogram.record(("sqlite",), seconds)
    collected = histogram.collect(1)
    assert collected is not None
    series = collected.series[("sqlite",)]
    assert series.counts == [2, 1, 0, 0, 0, 0, 0, 0, 1, 1]
    assert (series.smallest, series.largest, series.sum) == (0.0, 10.1, pytest.approx(20.1020001))


def test_no_measurement_of_many_threads_is_lost():
    meter = Meter(True, nothing)
    found = []

    def record() -> None:
        for number in range(3000):
            meter.client(("GET", f"h{number % 5}"), number / 3000)
            if number % 1000 == 0:
                found.extend(meter.collect())

    threads = [threading.Thread(target=record) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found += meter.collect()
    assert sum(sum(series.counts) for one in found for series in one.series.values()) == 18_000
    assert all(one.began <= one.ended for one in found)


def test_what_is_collected_does_not_change_any_more():
    histogram = ExplicitHistogram(HTTP_SERVER, False, nothing)
    histogram.record(("GET",), 1.0)
    first = histogram.collect(1)
    histogram.record(("GET",), 1.0)
    assert first is not None
    assert sum(first.series[("GET",)].counts) == 1


@pytest.mark.parametrize("delta", [True, False])
def test_series_above_the_limit_are_one_until_the_next_collection_of_deltas(delta):
    begun = []
    histogram = ExplicitHistogram(HTTP_CLIENT, delta, lambda: begun.append(1))
    for number in range(MOST_SERIES + 5):
        histogram.record(("GET", str(number)), 0.1)
    first = histogram.collect(1)
    histogram.record(("GET", "new"), 0.1)
    second = histogram.collect(2)
    assert first is not None
    assert second is not None
    assert len(first.series) == MOST_SERIES
    assert sum(first.series[OVERFLOW].counts) == 6
    assert (("GET", "new") in second.series) is delta
    assert attributes_of(HTTP_CLIENT, OVERFLOW) == {"otel.metric.overflow": True}


def test_each_kind_is_measured_once_without_a_library():
    async def application(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(_message: Any) -> None:
        return

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "http_version": "1.1"}
    with recording({"metrics": {"exporter": "console"}, "sampler": {"ratio": 0}}):
        sqlite.instrument()
        asyncio.run(tracing.TracingMiddleware(application)(scope, None, send))  # type: ignore[arg-type] # not called
        served = tracing.WSGIMiddleware(lambda _, start: [start("204 None", []) and b""])
        list(served({"REQUEST_METHOD": "PUT"}, lambda *_: print))
        with tracing.span("s"):
            with tracing.client_span("GET", "http://shop/") as span:
                span.set_attribute("http.response.status_code", 404)
            sqlite3.connect(":memory:").execute("SELECT name FROM sqlite_master")
        assert state.meter is not None
        found = [
            (one.instrument.name, *values[:3], sum(series.counts))
            for one in state.meter.collect()
            for values, series in one.series.items()
        ]
    patching.restore_all()
    assert found == [
        (HTTP_SERVER.name, "GET", "http", 200, 1),
        (HTTP_SERVER.name, "PUT", "http", 204, 1),
        (HTTP_CLIENT.name, "GET", "shop", 80, 1),
        (DATABASE.name, "sqlite", None, None, 1),
    ]


# The tables of docs/http/http-metrics.md and docs/db/database-metrics.md of the semantic conventions 1.44.0.
PUBLISHED = {
    HTTP_SERVER: """
        http.request.method=required url.scheme=required error.type=conditional http.response.status_code=conditional
        http.route=conditional network.protocol.name=conditional network.protocol.version=recommended
        server.address=opt-in server.port=opt-in user_agent.synthetic.type=opt-in""",
    HTTP_CLIENT: """
        http.request.method=required server.address=required server.port=required error.type=conditional
        http.response.status_code=conditional network.protocol.name=conditional network.protocol.version=recommended
        url.scheme=opt-in url.template=opt-in""",
    DATABASE: """
        db.system.name=required db.collection.name=conditional db.namespace=conditional db.operation.name=conditional
        db.response.status_code=conditional error.type=conditional server.port=conditional
        db.query.summary=recommended db.stored_procedure.name=recommended network.peer.address=recommended
        network.peer.port=recommended server.address=recommended db.query.text=opt-in""",
}
# Only for another protocol than HTTP; of a connection, which a statement does not know.
NEVER = {"network.protocol.name", "network.peer.address", "network.peer.port"}


@pytest.mark.parametrize("instrument", PUBLISHED, ids=lambda instrument: instrument.name)
def test_the_attributes_are_those_of_the_published_table(instrument):
    levels = dict(pair.split("=") for pair in PUBLISHED[instrument].split())
    assert set(instrument.keys) == {key for key, level in levels.items() if level != "opt-in"} - NEVER
