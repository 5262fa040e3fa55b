"""Class and cause of the requests without a complete trace at the deadline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from devenv.analysis.completeness import Expectation, Finding, classify
from devenv.analysis.eviction import infer_evicted
from devenv.immutable import immutable
from devenv.load.verify.sent_request import Sent
from devenv.load.verify.split_parts import Window, find_torn
from devenv.model.trace import OWN_SERVICE, Trace, TraceClass
from devenv.traces.newest import recent_spans
from devenv.traces.source import TraceSource

_CHUNK = 200
_MARGIN_NS = 60 * 10**9


@immutable()
class Explained:
    """A request with its class and the likely cause."""

    sent: Sent
    trace_class: TraceClass
    cause: str = ""


async def explain(
    client: TraceSource,
    left: Sequence[Sent],
    requests: Sequence[Sent],
    expectation: Expectation,
    *,
    roots_taken: bool,
) -> list[Explained]:
    """Return the class and cause of each request in ``left``.

    Args:
        client: of the backend.
        left: requests without a complete trace.
        requests: all that were looked up, in the order of sending.
        expectation: what a complete trace contains.
        roots_taken: whether the backend accepted every root span.
    """
    if not left:
        return []
    expectation = await _informed(client, left, expectation)
    findings, gone = await _classify(client, left, expectation, {})
    torn = await _torn(client, left, findings, expectation)
    again, _ = await _classify(client, [sent for sent in left if sent.trace_id in torn], expectation, torn)
    findings |= again
    evicted = await _evicted(client, left, requests, gone, roots_taken)
    return [_explained(sent, findings[sent.number], evicted.get(sent.number, "")) for sent in left]


async def _informed(client: TraceSource, left: Sequence[Sent], expectation: Expectation) -> Expectation:
    """Return the expectation, with the services of the backend and the time of their newest spans."""
    known = frozenset(await client.services())
    window = _window(left)
    asked = (known & (expectation.services | frozenset(expectation.callees.names))) - {OWN_SERVICE}
    recent = await recent_spans(
        client, asked, start_ns=window.start_ns, end_ns=window.end_ns, since_ns=window.start_ns + _MARGIN_NS
    )
    return replace(expectation, known_services=known, newest_ns=recent.newest_ns, joined=recent.joined)


def _window(requests: Sequence[Sent]) -> Window:
    """Return the window in which the requests' spans may have started."""
    return Window(
        min(sent.start_ns for sent in requests) - _MARGIN_NS, max(sent.end_ns for sent in requests) + _MARGIN_NS
    )


async def _classify(
    client: TraceSource, left: Sequence[Sent], expectation: Expectation, torn: Mapping[str, Sequence[Trace]]
) -> tuple[dict[int, Finding], set[int]]:
    """Return the class of each request by number, and the requests without any span in the backend."""
    findings: dict[int, Finding] = {}
    gone: set[int] = set()
    for start in range(0, len(left), _CHUNK):
        chunk = left[start : start + _CHUNK]
        traces = await client.traces([sent.trace_id for sent in chunk])
        for sent in chunk:
            trace = traces.get(sent.trace_id)
            findings[sent.number] = classify(trace, expectation, others=torn.get(sent.trace_id, ()))
            if trace is None:
                gone.add(sent.number)
    return findings, gone


async def _torn(
    client: TraceSource, left: Sequence[Sent], findings: Mapping[int, Finding], expectation: Expectation
) -> dict[str, list[Trace]]:
    """Return the parts of split traces, by the trace ID of their request."""
    arrived = [sent for sent in left if not sent.never_arrived and findings[sent.number].missing]
    if not arrived:
        return {}
    missing = {sent.trace_id: findings[sent.number].missing for sent in arrived}
    return await find_torn(client, missing, expectation.known_services or (), _window(arrived))


def _explained(sent: Sent, finding: Finding, eviction: str) -> Explained:
    if eviction and finding.trace_class != "split":
        return Explained(sent, "evicted", eviction)
    if sent.never_arrived:
        return Explained(sent, "absent", f"no connection to the entry point ({sent.failure})")
    cause = f"the request failed ({sent.failure}): {finding.cause}" if sent.failure else finding.cause
    return Explained(sent, finding.trace_class, cause)


async def _evicted(
    client: TraceSource, candidates: Sequence[Sent], requests: Sequence[Sent], gone: set[int], roots_taken: bool
) -> dict[int, str]:
    """Return which requests' traces the backend evicted, by number, with the evidence.

    Spans that arrive later start the trace again, so an evicted trace may exist in part. The inference counts only
    traces without any span.
    """
    if await client.reports_evictions():
        said = await client.evicted([sent.trace_id for sent in candidates])
        return {sent.number: "the backend evicted the trace" for sent in candidates if sent.trace_id in said}
    if not roots_taken:
        return {}
    positions = infer_evicted([sent.number in gone for sent in requests])
    cause = (
        "the oldest traces of the run are missing, so the backend probably evicted them: "
        "raise x-devenv.jaeger.max_traces"
    )
    return {requests[position].number: cause for position in positions}
