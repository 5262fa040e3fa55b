"""Class and cause of the requests that are not complete when time is up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from devenv.analysis.completeness import Expectation, Finding, classify, request_of
from devenv.analysis.eviction import infer_evicted
from devenv.load.sent import Sent
from devenv.model.trace import OWN_SERVICE, Trace, TraceClass
from devenv.traces.client import TraceClient
from devenv.traces.parts import parts_of
from devenv.traces.query import Query

FEW = 25
"""Up to so many requests are searched for one by one; for more, all traces of the time are searched through."""

_CHUNK = 200
_MOST_SEARCHED = 5000
_MARGIN_NS = 60 * 10**9


@dataclass(frozen=True, slots=True)
class Explained:
    """A request with its class and the likely cause."""

    sent: Sent
    trace_class: TraceClass
    cause: str = ""


async def explain(
    client: TraceClient,
    left: Sequence[Sent],
    requests: Sequence[Sent],
    expectation: Expectation,
    *,
    roots_taken: bool,
) -> list[Explained]:
    """Put each of ``left`` into its class.

    Args:
        client: of the backend.
        left: requests that are not complete.
        requests: all that were looked up, in the order of sending.
        expectation: what a complete trace holds.
        roots_taken: the backend acknowledged every root span.
    """
    if not left:
        return []
    known = frozenset(await client.services())
    expectation = replace(expectation, known_services=known)
    others = await _others(client, left, known - {OWN_SERVICE})
    findings: dict[int, Finding] = {}
    gone: set[int] = set()
    for start in range(0, len(left), _CHUNK):
        chunk = left[start : start + _CHUNK]
        traces = await client.traces([sent.trace_id for sent in chunk])
        for sent in chunk:
            trace = traces.get(sent.trace_id)
            findings[sent.number] = classify(trace, expectation, others=others.get(sent.trace_id, ()))
            if trace is None:
                gone.add(sent.number)
    evicted = await _evicted(client, [sent for sent in left if sent.number in gone], requests, gone, roots_taken)
    return [_explained(sent, findings[sent.number], evicted.get(sent.number, "")) for sent in left]


def _explained(sent: Sent, finding: Finding, eviction: str) -> Explained:
    if eviction and finding.trace_class == "absent":
        return Explained(sent, "evicted", eviction)
    if sent.never_arrived:
        return Explained(sent, "absent", f"the request never reached the entry point ({sent.failure})")
    cause = f"the request failed ({sent.failure}): {finding.cause}" if sent.failure else finding.cause
    return Explained(sent, finding.trace_class, cause)


async def _evicted(
    client: TraceClient, candidates: list[Sent], requests: Sequence[Sent], gone: set[int], roots_taken: bool
) -> dict[int, str]:
    """Which of the requests without any span the backend let go, by number, with how that is known."""
    if (await client.probe()).embedded:
        said = await client.evicted([sent.trace_id for sent in candidates])
        return {
            sent.number: "the backend says that it let the trace go" for sent in candidates if sent.trace_id in said
        }
    if not roots_taken:
        return {}
    positions = infer_evicted([sent.number in gone for sent in requests])
    cause = "the oldest traces of the run are gone whole, so the backend let them go: raise x-devenv.jaeger.max_traces"
    return {requests[position].number: cause for position in positions}


async def _others(client: TraceClient, left: Sequence[Sent], services: frozenset[str]) -> dict[str, list[Trace]]:
    """Traces under other ids that carry a request's key, by the request's trace id."""
    arrived = [sent for sent in left if not sent.never_arrived]
    if not arrived:
        return {}
    start_ns = min(sent.start_ns for sent in arrived) - _MARGIN_NS
    end_ns = max(sent.end_ns for sent in arrived) + _MARGIN_NS
    if len(arrived) <= FEW:
        return {
            sent.trace_id: await parts_of(client, sent.trace_id, start_ns=start_ns, end_ns=end_ns, services=services)
            for sent in arrived
        }
    wanted = {sent.trace_id for sent in arrived}
    found: dict[str, dict[str, Trace]] = defaultdict(dict)
    for service in services:
        limit = min(4 * len(arrived) + 100, _MOST_SEARCHED)
        query = Query(service=service, start_ns=start_ns, end_ns=end_ns, limit=limit)
        for trace in await client.find(query):
            request = request_of(trace)
            if request in wanted and request != trace.trace_id:
                found[request][trace.trace_id] = trace
    return {request: list(traces.values()) for request, traces in found.items()}
