"""The incident in the sample's traffic, read from real trace backends: the service with the fault is named first."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from itertools import chain

import pytest
from trace_sources import Site, prefix, site

from devenv.analysis.callees import Callees
from devenv.analysis.failures.component import Component
from devenv.analysis.failures.diagnosis import EngineHistory
from devenv.analysis.trace_report import TraceReport
from devenv.model.span import Span
from devenv.model.trace import Trace
from devenv.testing.sample_traffic import SECOND, SERVICES, FaultKind, InjectedFault, Traffic, sample_traffic
from devenv.traces.query import Query
from devenv.traces.window import TraceWindow

__all__ = ["prefix", "site"]  # fixtures

BACKENDS = ["embedded v3", pytest.param("jaeger v3", marks=pytest.mark.jaeger)]
WHOLE_S = 12
"""Seconds of traffic, of which 5 are without the fault."""

FAULTS: list[tuple[str, FaultKind]] = [
    *((service, kind) for service in SERVICES for kind in ("latency", "error", "crash")),  # type: ignore[misc]
    ("gateway", "not sent"),
    ("auth", "neither"),
    ("user", "not read"),
]


async def diagnosed(site: Site, prefix: str, fault: InjectedFault | None) -> tuple[list[Component], int]:
    """Send traffic to the backend, read it as `report` does; the components, and when the fault began."""
    start_ns = time.time_ns() // 1000 * 1000 - (WHOLE_S + 1) * SECOND
    traffic = Traffic(requests=10 * WHOLE_S, per_second=10, start_ns=start_ns, fault=fault)
    requests = sample_traffic(traffic, seed=int(prefix[1:-1], 16))  # other trace IDs than those of the tests before
    spans = [replace(span, service=prefix + span.service) for span in chain.from_iterable(requests)]
    await site.store(*sorted(spans, key=lambda span: span.service))
    history = EngineHistory()
    fault_ns = start_ns + 5 * SECOND
    if fault is not None and fault.kind == "crash":
        history = EngineHistory(crashes={prefix + fault.service: [(fault_ns, "exited with 137")]})
    report = await _read(site, prefix, start_ns, spans)
    assert report.diagnosis is not None
    return report.diagnosis.components(history), fault_ns


async def _read(site: Site, prefix: str, start_ns: int, sent: list[Span]) -> TraceReport:
    """Service by service: a test before may have left its own in the backend."""
    callees = Callees(hosts={service: prefix + service for service in SERVICES})
    async with asyncio.timeout(20):
        while True:
            found: dict[str, Trace] = {}
            for service in callees.names:
                query = Query(service=service, start_ns=start_ns - SECOND, end_ns=time.time_ns() + SECOND, limit=10_000)
                async for page in TraceWindow(site.source, query).pages():
                    found |= {trace.trace_id: trace for trace in page}
            if sum(len(trace.spans) for trace in found.values()) == len(sent):
                report = TraceReport((), callees, callees.names, incident=True)
                report.add_all(found.values())
                return report
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("site", BACKENDS, indirect=True)
@pytest.mark.parametrize(("service", "kind"), FAULTS)
async def test_the_service_with_the_fault_is_first(site: Site, prefix: str, service: str, kind: FaultKind) -> None:
    components, fault_ns = await diagnosed(site, prefix, InjectedFault(service=service, kind=kind))
    first = components[0]
    expected = kind if kind in ("latency", "error", "crash") else "lost context"
    assert (first.service, first.kind, first.caused_by) == (prefix + service, expected, None)
    assert 0 <= first.since_ns - fault_ns < SECOND
    assert {each.service for each in components if each.caused_by is None} == {prefix + service}


@pytest.mark.parametrize("site", BACKENDS, indirect=True)
async def test_healthy_traffic_has_no_incident(site: Site, prefix: str) -> None:
    components, _ = await diagnosed(site, prefix, None)
    assert components == []
