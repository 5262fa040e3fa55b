"""Maps and reports of the same spans are the same, whichever source has them, and whole if they take several pages."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest
from trace_sources import Site, prefix, site

from devenv.analysis.service_map.edges import Observed
from devenv.analysis.service_map.service_map import service_map
from devenv.analysis.trace_report import TraceReport
from devenv.analysis.tree import build_tree
from devenv.model.span import Span, SpanKind, Status
from devenv.testing.spans import MS, SpanBuilder
from devenv.traces import window as pages
from devenv.traces.query import Query

__all__ = ["prefix", "site"]  # fixtures

NUMBER = 45


def requests(prefix: str, start_ns: int) -> list[list[Span]]:
    """Each 20 ms a request of gateway to auth, which asks its database; from the 30th on the database fails."""
    found = []
    for number in range(NUMBER):
        make = SpanBuilder(start_ns + number * 20 * MS, prefix)
        bad = Status.ERROR if number >= 30 else Status.UNSET
        took = 4 + number % 5
        rows = [
            make.span("GET /", 1, took=took + 6, service="gateway", kind=SpanKind.SERVER, status=bad),
            make.span("POST", 2, 1, at=1, took=took + 4, service="gateway", kind=SpanKind.CLIENT, status=bad),
            make.span("POST /verify", 3, 2, at=2, took=took + 2, service="auth", kind=SpanKind.SERVER, status=bad),
            make.span("SELECT", 4, 3, at=3, took=took, service="auth", kind=SpanKind.CLIENT, status=bad),
        ]
        rows[3] = replace(rows[3], attributes={"db.system": "mysql"}, status_message="no rows" if number >= 30 else "")
        found.append(rows)
    return found


async def test_a_map_and_a_report_of_several_pages(site: Site, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PAGE", 20)
    start_ns = time.time_ns() // 1000 * 1000 - 5 * 10**9
    sent = requests(prefix, start_ns)
    for service in (f"{prefix}gateway", f"{prefix}auth"):
        await site.store(*(span for rows in sent for span in rows if span.service == service))
    await asyncio.gather(*(site.arrived(rows[0].trace_id, 4) for rows in (sent[0], sent[-1])))
    query = Query(service=f"{prefix}auth", start_ns=start_ns - 10**9, end_ns=time.time_ns(), limit=1000)
    deadline = time.monotonic() + 20
    while True:
        report, observed, window = TraceReport(incident=True), Observed(), pages.TraceWindow(site.source, query)
        async for page in window.pages():
            report.add_all(page)
            for trace in page:
                observed.add(build_tree(trace))
        if sum(len(each.samples) for each in report.figures.operations.values()) == 4 * NUMBER:
            break
        assert time.monotonic() < deadline
    assert (window.looked_at, window.more) == (NUMBER, False)
    top = report.figures.bottlenecks()[0]
    assert (top.service, top.operation) == (f"{prefix}auth", "SELECT")
    assert report.diagnosis is not None
    first, *others = report.diagnosis.components()
    assert (first.service, first.operation, first.error, first.requests) == (f"{prefix}auth", "SELECT", "no rows", 15)
    assert first.since_ns == sent[30][3].end_ns
    assert first.examples == tuple(rows[0].trace_id for rows in sent[30:33])
    assert {(part.service, part.caused_by) for part in others} == {(f"{prefix}auth", 0), (f"{prefix}gateway", 0)}
    edges = service_map(observed, None, {}).edges
    assert [(edge.caller, edge.callee, edge.calls, edge.errors, edge.p50_ms) for edge in edges] == [
        (f"{prefix}auth", "mysql", NUMBER, 15, 6.0),
        (f"{prefix}gateway", f"{prefix}auth", NUMBER, 15, 10.0),
    ]
