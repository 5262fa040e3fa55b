"""The checks find the same in the same spans, whichever source has them: none in healthy traces, and a lost header."""

from __future__ import annotations

import time
from dataclasses import replace

from trace_sources import Site, prefix, site

from devenv.analysis.callees import Callees
from devenv.analysis.checks.checks import KnownStack, TraceChecks
from devenv.app.traces.checks.reading import Reading
from devenv.clock import SystemClock
from devenv.model.span import Span, SpanKind
from devenv.testing.spans import MS, SpanBuilder

__all__ = ["prefix", "site"]  # fixtures

NUMBER = 12


def request(prefix: str, start_ns: int, *, lost: bool) -> list[Span]:
    """Gateway calls auth; if the header is lost, auth begins a new trace."""
    make = SpanBuilder(start_ns, prefix)
    called = {"server.address": "auth", "http.request.method": "GET", "http.response.status_code": 200}
    spans = [
        make.span("GET /", 1, took=10, service="gateway", kind=SpanKind.SERVER),
        replace(make.span("GET", 2, 1, at=1, took=8, service="gateway", kind=SpanKind.CLIENT), attributes=called),
        make.span("GET /verify", 3, 2, at=2, took=5, service="auth", kind=SpanKind.SERVER),
    ]
    if lost:
        spans[2] = replace(spans[2], trace_id=SpanBuilder(0).trace_id, parent_id=None)
    return spans


async def test_a_lost_header_is_found_in_each_source(site: Site, prefix: str) -> None:
    gateway, auth = f"{prefix}gateway", f"{prefix}auth"
    start_ns = time.time_ns() // 1000 * 1000 - 30 * 10**9
    sent = [request(prefix, start_ns + n * 20 * MS, lost=n % 3 == 0) for n in range(NUMBER)]
    await site.store(*(rows[n] for n in (0, 1) for rows in sent), *(rows[2] for rows in sent))
    for rows in sent:
        await site.arrived(rows[0].trace_id, 2 if rows[2].trace_id != rows[0].trace_id else 3)
        await site.arrived(rows[2].trace_id, 1)
    around = KnownStack(callees=Callees(hosts={"auth": auth}), traced=frozenset({gateway, auth}))
    checks = TraceChecks(around)
    reading = Reading(site.source, checks, SystemClock(), limit=1000)
    looked = await reading.window(start_ns - MS, start_ns + NUMBER * 20 * MS)
    assert not looked.more
    assert checks.seen >= {gateway, auth}
    of_ours = [each for each in checks.findings({}) if {gateway, auth} & {each.service, *each.others}]
    broken = [each for each in of_ours if each.kind == "broken-propagation"]
    assert [(each.service, each.others, each.count) for each in broken] == [(gateway, (gateway, auth), 4)]
    assert broken[0].evidence == f"4 of 12 calls: 4 server spans of {auth} begin new traces"
    # the spans are sent without the attributes that an SDK adds to resources
    assert {each.kind for each in of_ours} == {"broken-propagation", "resource-attributes"}
    (score,) = [each for each in checks.scores() if each.service == auth]
    assert [verdict.rule.id for verdict in score.rules if verdict.ok is False] == ["RES-001"]
