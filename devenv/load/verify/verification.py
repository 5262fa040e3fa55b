"""Verification after a run: every request is looked up in the trace backend, and ends in exactly one class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from devenv.analysis.callees import Callees, silent_services
from devenv.analysis.completeness import Expectation, is_complete
from devenv.clock import Clock
from devenv.errors import BackendUnavailable
from devenv.events import Sink, VerifyProgress
from devenv.immutable import immutable
from devenv.load.verify.explanation import Explained, explain
from devenv.load.verify.sent_request import Sent
from devenv.model.trace import OWN_SERVICE, Trace, TraceClass
from devenv.traces.source import TraceSource

CHUNK = 200
"""Requests per look-up: bounds the memory for their traces."""

_FIRST_PAUSE, _GROWTH = 0.1, 1.5
_LONGEST_BEFORE, _LONGEST_AFTER = 1.0, 5.0
_GIVE_UP = 5.0
"""A backend that has not answered for this many seconds is not asked again; a restart takes less."""

_SILENCE = 6.0
"""Services send batches every 5 s by default (OpenTelemetry's ``OTEL_BSP_SCHEDULE_DELAY``).

If the backend knows no service this many seconds after the first request, no span will come."""

_STEADY_LOOKS = 3
"""If no services are expected, a trace is complete when this many look-ups in a row return the same spans."""


@immutable()
class Patience:
    """How long to wait for traces, in seconds from the end of the run.

    Attributes:
        settle: traces complete by then are ``complete``, those complete later are ``late``.
        deadline: the end of the wait.
    """

    settle: float = 5.0
    deadline: float = 30.0


@dataclass(slots=True)
class Verification:
    """Result of the look-ups.

    Attributes:
        classes: by number in the schedule, without requests that could not be looked up.
        failure: why a look-up failed; empty if none did.
        causes: number of incomplete traces by class and cause.
        examples: trace ID of one request by class and cause.
    """

    classes: dict[int, TraceClass] = field(default_factory=dict)
    failure: str = ""
    causes: Counter[tuple[TraceClass, str]] = field(default_factory=Counter)
    examples: dict[tuple[TraceClass, str], str] = field(default_factory=dict)

    def add(self, sent: Sent, trace_class: TraceClass, cause: str = "") -> None:
        """Add a request with its class."""
        self.classes[sent.number] = trace_class
        if cause:
            self.causes[trace_class, cause] += 1
            self.examples.setdefault((trace_class, cause), sent.trace_id)


class Verifier:
    """Looks requests up until all traces are complete, or until the deadline.

    Args:
        client: of the backend.
        expectation: what each trace has to contain; without services, it is learnt from most of the traces.
        clock: paces the look-ups.
        sink: gets the progress.
        patience: how long to wait.
        hurried: returns whether to stop as soon as possible (Ctrl-C).
        gone: returns whether the project was removed during the run, and its traces with it.
    """

    def __init__(
        self,
        client: TraceSource,
        expectation: Expectation,
        *,
        clock: Clock,
        sink: Sink,
        patience: Patience,
        hurried: Callable[[], bool] = lambda: False,
        gone: Callable[[], bool] = lambda: False,
    ) -> None:
        self._client = client
        self._expectation = expectation
        self._clock = clock
        self._sink = sink
        self._patience = patience
        self._hurried = hurried
        self._gone = gone
        self._unavailable_since: float | None = None
        self._learner = None if expectation.services else _Learner(expectation.callees)
        self._result = Verification()

    async def verify(self, requests: Sequence[Sent], *, roots_taken: bool) -> Verification:
        """Return the classes of the requests, with causes of incomplete traces.

        Args:
            requests: the requests to look up, in the order of sending.
            roots_taken: whether the backend accepted every root span, so that a missing one was evicted.
        """
        started = self._clock.monotonic()
        sending = _seconds_of_sending(requests)
        pending = {sent.trace_id: sent for sent in requests}
        pause, is_late = _FIRST_PAUSE, False
        while True:
            begun = self._clock.monotonic() - started
            await self._try_look(pending, len(requests), "late" if is_late else "complete")
            is_late = is_late or begun >= self._patience.settle
            elapsed = self._clock.monotonic() - started
            if self._is_enough(pending, elapsed, is_late):
                break
            if len(pending) == len(requests) and await self._is_silent(sending + elapsed):
                break
            await self._clock.sleep(self._next_pause(pause, elapsed))
            pause *= _GROWTH
        try:
            await self._explain(list(pending.values()), requests, roots_taken)
        except BackendUnavailable as error:
            self._result.failure = error.message
        else:
            self._result.failure = ""
        return self._result

    async def _try_look(self, pending: dict[str, Sent], total: int, found_class: TraceClass) -> None:
        """Look up once; a backend that does not respond now may respond the next time."""
        try:
            await self._look(pending, total, found_class)
        except BackendUnavailable as error:
            self._result.failure = error.message
            if self._unavailable_since is None:
                self._unavailable_since = self._clock.monotonic()
        else:
            self._result.failure = ""
            self._unavailable_since = None

    async def _look(self, pending: dict[str, Sent], total: int, found_class: TraceClass) -> None:
        """Look up all pending requests once, and remove those with a complete trace."""
        wanted = list(pending)
        for start in range(0, len(wanted), CHUNK):
            traces = await self._client.traces(wanted[start : start + CHUNK])
            for trace_id, trace in traces.items():
                if self._is_whole(trace):
                    self._result.add(pending.pop(trace_id), found_class)
            self._sink(VerifyProgress(found=total - len(pending), total=total))
            if self._hurried():
                return
        if self._learner is not None:
            self._learner.end_of_look()

    def _is_whole(self, trace: Trace) -> bool:
        if self._learner is not None:
            return self._learner.is_whole(trace)
        return is_complete(trace, self._expectation.services, self._expectation.callees)

    def _is_enough(self, pending: dict[str, Sent], elapsed: float, is_late: bool) -> bool:
        """Return whether to stop: no request is left, or no trace of those left can be expected to become complete."""
        if self._unavailable_since is not None and (
            self._gone() or self._clock.monotonic() - self._unavailable_since >= _GIVE_UP
        ):
            return True
        if elapsed >= self._patience.deadline or (self._hurried() and elapsed >= self._patience.settle):
            return True
        if all(sent.never_arrived for sent in pending.values()):
            return True
        return is_late and all(sent.failure for sent in pending.values())

    async def _is_silent(self, age: float) -> bool:
        """Return whether no service sends spans: none has, ``age`` seconds after the first request."""
        if age < _SILENCE or self._unavailable_since is not None:
            return False
        try:
            return not set(await self._client.services()) - {OWN_SERVICE}
        except BackendUnavailable:
            return False

    def _next_pause(self, pause: float, elapsed: float) -> float:
        """Return the pause before the next look-up; one is exactly at the settling time, and one at the deadline."""
        if elapsed < self._patience.settle:
            return min(pause, _LONGEST_BEFORE, self._patience.settle - elapsed)
        return min(pause, _LONGEST_AFTER, max(self._patience.deadline - elapsed, 0.0))

    async def _explain(self, left: list[Sent], requests: Sequence[Sent], roots_taken: bool) -> None:
        expectation = self._expectation
        if self._learner is not None:
            expectation = replace(expectation, services=self._learner.services())
        explained: list[Explained] = await explain(self._client, left, requests, expectation, roots_taken=roots_taken)
        for item in explained:
            self._result.add(item.sent, item.trace_class, item.cause)


def _seconds_of_sending(requests: Sequence[Sent]) -> float:
    """Return the seconds from the first request to the last response."""
    if not requests:
        return 0.0
    return (max(sent.end_ns for sent in requests) - min(sent.start_ns for sent in requests)) / 1e9


class _Learner:
    """Learns the services of a complete trace from the traces themselves: those with spans, and those called."""

    def __init__(self, callees: Callees) -> None:
        self._callees = callees
        self._seen: dict[str, tuple[int, int, tuple[str, ...]]] = {}
        self._common: frozenset[str] = frozenset()
        self._looks = 0

    def is_whole(self, trace: Trace) -> bool:
        """Return whether the trace has not changed for some look-ups, and contains the services of most traces."""
        spans, since, _ = self._seen.get(trace.trace_id, (0, 0, ()))
        if spans != len(trace.spans):
            services = (*trace.services, *silent_services(trace, self._callees))
            self._seen[trace.trace_id] = (len(trace.spans), self._looks, services)
            return False
        return self._looks - since >= _STEADY_LOOKS and is_complete(trace, self._common, self._callees)

    def end_of_look(self) -> None:
        """Count one look-up of all pending traces."""
        self._looks += 1
        counts = Counter(name for _, _, services in self._seen.values() for name in services)
        self._common = frozenset(name for name, count in counts.items() if 2 * count >= len(self._seen))

    def services(self) -> frozenset[str]:
        """Return the services that at least half of the traces contain or call."""
        return self._common
