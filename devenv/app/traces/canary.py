"""The canary: one request through the entry point whose trace is verified in the trace backend."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from devenv.analysis.callees import NO_CALLEES, Callees
from devenv.analysis.causes import Setup
from devenv.analysis.completeness import CLOCKS_NS, Expectation, Finding, classify
from devenv.clock import Clock
from devenv.errors import BackendUnavailable
from devenv.events import CanarySent, CanaryWaiting, Notice, Sink
from devenv.immutable import immutable
from devenv.load.send.lean_client import LeanClient
from devenv.load.send.request_headers import baggage, encode_body, fixed_headers, is_success, traceparent
from devenv.model.documents import CanaryDocument
from devenv.model.extension import Request
from devenv.model.span import Span, SpanKind, Status
from devenv.model.trace import OWN_SERVICE, REQUEST_KEY, CanaryVerdict, Trace
from devenv.traces.export import export_spans
from devenv.traces.http import TransportError
from devenv.traces.newest import recent_spans
from devenv.traces.parts import parts_of
from devenv.traces.source import TraceSource

NOT_YET = frozenset({502, 503, 504})
"""Statuses of an entry point that cannot reach its upstreams yet; the canary is retried during the first seconds."""

FIRST_SERVER_ERROR = 500

FIRST_MOMENTS = 3.0
"""Seconds during which a canary is sent again that is answered by none of the upstreams, or not at all."""

_REPEAT_AFTER = 0.1
_POLL_FIRST, _POLL_LAST, _POLL_GROWTH = 0.03, 0.25, 1.3
_STEADY = 0.6
"""Seconds without a new span after which a trace of unknown services is complete: three export intervals."""

_LOOK_AFTER, _UNTRACED_AFTER = 1.0, 2.0
"""Seconds without a span after which signs of tracing are looked for, and after which there is nothing to wait for if
there is none: ten times the delay that devenv gives to exporters."""

_UNTRACED = (
    "nothing in this stack is traced: no span was received, and no running service has a tracing library or setting"
)
_MARGIN_NS = 60 * 10**9
_TIMEOUT = 10.0
"""Seconds for one request to the trace backend."""

AskReceivers = Callable[[Mapping[str, Setup]], Awaitable[dict[str, Setup]]]
"""Finds out which of the endpoints that services export to refuse connections."""

LookForSigns = Callable[[], Awaitable[str]]
"""Finds a sign of tracing in the stack; empty: it is certain that there is none."""


def lean_sender(base_url: str) -> LeanClient:
    """The client for the canary's conversation with the trace backend: importing httpx takes longer than the canary."""
    return LeanClient(base_url, timeout=_TIMEOUT, retriable=True)


@dataclass(slots=True)
class _Sending:
    """One attempt: the request as sent, and its response."""

    trace_id: str
    span_id: str
    start_ns: int
    end_ns: int = 0
    status: int | None = None
    error: str = ""


@immutable()
class _Outcome:
    """The final state of the trace in the backend; ``untraced``: nothing would come, however long the wait."""

    trace: Trace | None
    finding: Finding
    cause: str = ""
    untraced: bool = False


class _Signs:
    """Whether the stack shows a sign of tracing, which is looked for only if no span comes."""

    def __init__(self, look: LookForSigns | None, clock: Clock) -> None:
        self._look = look
        self._clock = clock
        self._begun = clock.monotonic()
        self._looking: asyncio.Future[str] | None = None

    async def are_missing(self, client: TraceSource) -> bool:
        """Whether it is certain by now that no span will come; to be asked again and again while none has come."""
        waited = self._clock.monotonic() - self._begun
        if self._look is None or waited < _LOOK_AFTER:
            return False
        if self._looking is None:
            self._looking = asyncio.ensure_future(self._look())
        if waited < _UNTRACED_AFTER or not self._looking.done():
            return False
        if self._looking.result():
            self._look = None
            return False
        try:
            return not set(await client.services()) - {OWN_SERVICE}
        except BackendUnavailable:
            return False

    async def close(self) -> None:
        """Give up looking."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])


async def send_canary(
    *,
    entrypoint_url: str,
    request: Request,
    expected_services: tuple[str, ...],
    client: TraceSource,
    otlp_http_url: str,
    clock: Clock,
    sink: Sink,
    timeout: float = 10.0,
    setups: Mapping[str, Setup] | None = None,
    callees: Callees = NO_CALLEES,
    entrypoint: str = "",
    look: LookForSigns | None = None,
    ask_receivers: AskReceivers | None = None,
    any_status: bool = False,
    patience: float = FIRST_MOMENTS,
) -> CanaryDocument:
    """Send the canary and wait until its trace is complete, ``timeout`` seconds have passed, or nothing can come.

    If the entry point responds with 502, 503 or 504, or not at all, during the first seconds, the canary is sent again
    with a new trace ID, and a notice is emitted; with ``any_status``, also after each other status from 500. An
    unexpected status is never ``complete``, unless ``any_status``.

    Args:
        entrypoint_url: base URL of the entry point.
        request: what to send; its ``expect_status`` decides which status is a success.
        expected_services: services that need spans; empty: those that have spans once no more spans arrive.
        client: of the trace backend.
        otlp_http_url: where the canary's own root span goes.
        clock: paces the polling.
        sink: receives the events.
        timeout: seconds for everything.
        setups: the services' tracing settings, as far as known, to find the cause of an incomplete trace.
        callees: the stack's services by address; all those that are called need a span, too.
        entrypoint: service name of the entry point's spans; empty if unknown.
        look: finds signs of tracing if no span comes; ``None``: there may be some.
        ask_receivers: called if the trace is incomplete.
        any_status: the answer to this request is not known beforehand: only the spans count.
        patience: seconds during which it is sent again; more than the usual ones may exceed ``timeout``.
    """
    started = clock.monotonic()
    sending = await _send_until_answered(
        entrypoint_url, request, clock=clock, sink=sink, timeout=timeout, patience=patience, any_status=any_status
    )
    deadline = started + timeout
    if patience > FIRST_MOMENTS:
        deadline = max(deadline, clock.monotonic() + timeout / 2)
    expectation = Expectation(
        services=frozenset(expected_services), callees=callees, entrypoint=entrypoint, setups=dict(setups or {})
    )
    try:
        root = _root_span(sending, request, any_status=any_status)
        await _export(otlp_http_url, root, clock=clock, deadline=deadline)
        signs = _Signs(None if sending.error else look, clock)
        try:
            outcome = await _follow(
                sending, expectation, client, clock=clock, sink=sink, deadline=deadline, signs=signs, ask=ask_receivers
            )
        finally:
            await signs.close()
    except BackendUnavailable as error:
        outcome = _Outcome(None, Finding(trace_class="absent"), error.message)
    return _document(sending, request, outcome, client, elapsed=clock.monotonic() - started, any_status=any_status)


async def _send_until_answered(
    url: str, request: Request, *, clock: Clock, sink: Sink, timeout: float, patience: float, any_status: bool
) -> _Sending:
    """Send, and send again while the entry point is not ready, during the first seconds."""
    give_up = clock.monotonic() + (patience if patience > FIRST_MOMENTS else min(patience, timeout / 2))
    said = ""
    while True:
        async with LeanClient(url, timeout=timeout) as http:  # a new connection each time: nothing is sent twice
            sending = await _send(http, url, request, clock=clock, sink=sink)
        if not _is_early(sending, any_status=any_status) or clock.monotonic() >= give_up:
            return sending
        answer = sending.error or f"answered {sending.status}"
        if answer != said:
            sink(Notice(message=f"canary: {url} {answer}; retrying with a new trace ID"))
        said = answer
        await clock.sleep(_REPEAT_AFTER)


def _is_early(sending: _Sending, *, any_status: bool) -> bool:
    """Whether an upstream may not listen yet; many programs answer with a plain 500 then."""
    if sending.status is None:
        return bool(sending.error)
    return sending.status in NOT_YET or (any_status and sending.status >= FIRST_SERVER_ERROR)


async def _send(http: LeanClient, url: str, request: Request, *, clock: Clock, sink: Sink) -> _Sending:
    sending = _Sending(secrets.token_hex(16), secrets.token_hex(8), start_ns=_now_ns(clock))
    sink(CanarySent(trace_id=sending.trace_id, method=request.method, url=url.rstrip("/") + request.path))
    headers = fixed_headers(request) | {
        "traceparent": traceparent(sending.trace_id, sending.span_id),
        "baggage": baggage(request, sending.trace_id),
    }
    try:
        response = await http.request(request.method, request.path, headers=headers, body=encode_body(request))
        sending.status = response.status
    except TransportError as error:
        sending.error = f"did not respond: {error}"
    sending.end_ns = max(_now_ns(clock), sending.start_ns + 1)
    return sending


def _root_span(sending: _Sending, request: Request, *, any_status: bool) -> Span:
    failed = sending.status is None or not (any_status or is_success(request, sending.status))
    return Span(
        trace_id=sending.trace_id,
        span_id=sending.span_id,
        service=OWN_SERVICE,
        name="canary",
        kind=SpanKind.INTERNAL,
        start_ns=sending.start_ns,
        end_ns=sending.end_ns,
        status=Status.ERROR if failed else Status.UNSET,
        attributes={REQUEST_KEY: sending.trace_id, "http.response.status_code": sending.status or 0},
    )


async def _export(otlp_http_url: str, root: Span, *, clock: Clock, deadline: float) -> None:
    """Send the root span to the backend; retry while it is not ready."""
    while True:
        try:
            await export_spans(otlp_http_url, [root], sender=lean_sender)
        except BackendUnavailable:
            if clock.monotonic() >= deadline:
                raise
            await clock.sleep(_POLL_LAST)
        else:
            return


async def _follow(
    sending: _Sending,
    expectation: Expectation,
    client: TraceSource,
    *,
    clock: Clock,
    sink: Sink,
    deadline: float,
    signs: _Signs,
    ask: AskReceivers | None,
) -> _Outcome:
    """Read the trace until it is complete, the time is over or nothing can come; then look for its missing parts."""
    pause, seen, seen_at = _POLL_FIRST, -1, clock.monotonic()
    while True:
        trace = await _ask(sending.trace_id, client, patient=clock.monotonic() < deadline)
        spans = len(trace.spans) if trace else 0
        if spans != seen:
            seen, seen_at = spans, clock.monotonic()
            sink(CanaryWaiting(spans=spans, services=trace.services if trace else ()))
        finding = classify(trace, expectation)
        steady = bool(expectation.services) or clock.monotonic() - seen_at >= _STEADY
        if finding.trace_class == "complete" and steady:
            return _Outcome(trace, finding)
        if clock.monotonic() >= deadline:
            if ask is not None:
                expectation = replace(expectation, setups=await ask(expectation.setups))
            return await _explain(sending, trace, expectation, client)
        if finding.trace_class == "absent" and await signs.are_missing(client):
            return _Outcome(trace, finding, _UNTRACED, untraced=True)
        await clock.sleep(pause)
        pause = min(pause * _POLL_GROWTH, _POLL_LAST)


async def _ask(trace_id: str, client: TraceSource, *, patient: bool) -> Trace | None:
    """The trace as far as it has arrived; ``None`` if the backend does not respond and there is time left."""
    try:
        return await client.trace(trace_id)
    except BackendUnavailable:
        if not patient:
            raise
        return None


async def _explain(sending: _Sending, trace: Trace | None, expectation: Expectation, client: TraceSource) -> _Outcome:
    """Class and cause of a trace that is not complete, using the backend's other traces."""
    known = await client.services()
    window = {"start_ns": sending.start_ns - _MARGIN_NS, "end_ns": sending.end_ns + _MARGIN_NS}
    missing = classify(trace, expectation).missing
    missed = [name for name in known if name in missing]
    others = await parts_of(client, sending.trace_id, services=missed or known, **window)
    asked = missed or [name for name in known if name != OWN_SERVICE]
    recent = await recent_spans(client, asked, since_ns=sending.start_ns - CLOCKS_NS, **window)
    full = replace(expectation, known_services=frozenset(known), newest_ns=recent.newest_ns, joined=recent.joined)
    return _Outcome(trace, classify(trace, full, others=others))


def _document(
    sending: _Sending, request: Request, outcome: _Outcome, client: TraceSource, *, elapsed: float, any_status: bool
) -> CanaryDocument:
    verdict, cause = _verdict(outcome.finding), outcome.cause or outcome.finding.cause
    if outcome.finding.elsewhere:
        cause += f" ({', '.join(outcome.finding.elsewhere)})"
    if sending.error:
        cause = f"the entry point {sending.error}"
    elif sending.status is not None and not is_success(request, sending.status):
        answered = f"answered {sending.status}"
        if any_status:
            answered = f"{request.method} {request.path} {answered}"
        else:
            answered += f", expected {request.expect_status or 'a status below 400'}"
            verdict = "partial" if verdict == "complete" else verdict
        cause = "; ".join(filter(None, [answered, cause]))
    trace = outcome.trace
    return CanaryDocument(
        verdict=verdict,
        trace_id=sending.trace_id,
        spans=len(trace.spans) if trace else 0,
        services=list(trace.services) if trace else [],
        spans_of=dict(sorted(Counter(span.service for span in trace.spans).items())) if trace else {},
        ui_url=client.ui.trace(sending.trace_id),
        elapsed_ms=round(elapsed * 1000, 3),
        status=sending.status,
        missing=list(outcome.finding.missing),
        cause=cause,
        untraced=outcome.untraced,
    )


def _verdict(finding: Finding) -> CanaryVerdict:
    """The canary has no verdict for orphans: a trace with orphans is ``partial``."""
    match finding.trace_class:
        case "complete" | "split" | "absent":
            return finding.trace_class
        case _:
            return "partial"


def _now_ns(clock: Clock) -> int:
    return int(clock.now() * 1e9)
