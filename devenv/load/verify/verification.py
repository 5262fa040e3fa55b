"""After a run: every request is looked up in the trace backend, and ends in exactly one class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from devenv.analysis.completeness import Expectation, is_complete
from devenv.clock import Clock
from devenv.errors import BackendUnavailable
from devenv.events import Sink, VerifyProgress
from devenv.load.verify.explanation import Explained, explain
from devenv.load.verify.sent_request import Sent
from devenv.model.trace import Trace, TraceClass
from devenv.traces.source import TraceSource

CHUNK = 200
"""Requests looked up at a time: bounds the memory that their traces take."""

_FIRST_PAUSE, _GROWTH = 0.1, 1.5
_LONGEST_BEFORE, _LONGEST_AFTER = 1.0, 5.0
_STEADY_LOOKS = 3
"""Where no services are expected, a trace is whole when so many looks in a row show the same spans of it."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for traces, in seconds from the end of the run.

    Attributes:
        settle: what is complete by then is ``complete``, what becomes so later is ``late``.
        deadline: what is not complete by then is not waited for.
    """

    settle: float = 5.0
    deadline: float = 30.0


@dataclass(slots=True)
class Verification:
    """What became of the requests that were looked up.

    Attributes:
        classes: by number in the schedule; what could not be looked up is left out.
        failure: why something could not; empty where all went well.
        causes: how many fell short in which way, with the number of one of them: ``(class, cause) -> (count, number)``.
    """

    classes: dict[int, TraceClass] = field(default_factory=dict)
    failure: str = ""
    causes: Counter[tuple[TraceClass, str]] = field(default_factory=Counter)
    examples: dict[tuple[TraceClass, str], str] = field(default_factory=dict)

    def add(self, sent: Sent, trace_class: TraceClass, cause: str = "") -> None:
        """Put a request into its class."""
        self.classes[sent.number] = trace_class
        if cause:
            self.causes[trace_class, cause] += 1
            self.examples.setdefault((trace_class, cause), sent.trace_id)


class Verifier:
    """Looks requests up until all are complete or time is up.

    Args:
        client: of the backend.
        expectation: what each trace has to hold; without services, what most of the traces turn out to hold.
        clock: paces the looks.
        sink: gets the progress.
        patience: how long to wait.
        hurried: says whether to stop at the next occasion (Ctrl-C).
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
    ) -> None:
        self._client = client
        self._expectation = expectation
        self._clock = clock
        self._sink = sink
        self._patience = patience
        self._hurried = hurried
        self._learner = None if expectation.services else _Learner()
        self._result = Verification()

    async def verify(self, requests: Sequence[Sent], *, roots_taken: bool) -> Verification:
        """Classes of the requests, with causes where they fall short.

        Args:
            requests: those to look up, in the order of sending.
            roots_taken: the backend acknowledged every root span, so that one that is not there was let go.
        """
        started = self._clock.monotonic()
        pending = {sent.trace_id: sent for sent in requests}
        pause, is_late = _FIRST_PAUSE, False
        while True:
            begun = self._clock.monotonic() - started
            await self._try_look(pending, len(requests), "late" if is_late else "complete")
            is_late = is_late or begun >= self._patience.settle
            elapsed = self._clock.monotonic() - started
            if self._is_enough(pending, elapsed, is_late):
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
        """Look once; a backend that does not answer now may do so the next time."""
        try:
            await self._look(pending, total, found_class)
        except BackendUnavailable as error:
            self._result.failure = error.message
        else:
            self._result.failure = ""

    async def _look(self, pending: dict[str, Sent], total: int, found_class: TraceClass) -> None:
        """Ask for all that is pending once, and take out what is complete."""
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
        return is_complete(trace, self._expectation.services)

    def _is_enough(self, pending: dict[str, Sent], elapsed: float, is_late: bool) -> bool:
        """Whether to look no more: nothing is left, or nothing that is left can be expected to come."""
        if elapsed >= self._patience.deadline or (self._hurried() and elapsed >= self._patience.settle):
            return True
        if all(sent.never_arrived for sent in pending.values()):
            return True
        return is_late and all(sent.failure for sent in pending.values())

    def _next_pause(self, pause: float, elapsed: float) -> float:
        """Until the next look; there is one right at the settling time, and one at the deadline."""
        if elapsed < self._patience.settle:
            return min(pause, _LONGEST_BEFORE, self._patience.settle - elapsed)
        return min(pause, _LONGEST_AFTER, max(self._patience.deadline - elapsed, 0.0))

    async def _explain(self, left: list[Sent], requests: Sequence[Sent], roots_taken: bool) -> None:
        expectation = self._expectation
        if self._learner is not None:
            expectation = Expectation(services=self._learner.services(), setups=expectation.setups)
        explained: list[Explained] = await explain(self._client, left, requests, expectation, roots_taken=roots_taken)
        for item in explained:
            self._result.add(item.sent, item.trace_class, item.cause)


class _Learner:
    """Learns from the traces themselves what a complete one holds."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, int, tuple[str, ...]]] = {}
        self._common: frozenset[str] = frozenset()
        self._looks = 0

    def is_whole(self, trace: Trace) -> bool:
        """Whether the trace has been the same for some looks and holds what most of them hold."""
        spans, since, _ = self._seen.get(trace.trace_id, (0, 0, ()))
        if spans != len(trace.spans):
            self._seen[trace.trace_id] = (len(trace.spans), self._looks, trace.services)
            return False
        return self._looks - since >= _STEADY_LOOKS and is_complete(trace, self._common)

    def end_of_look(self) -> None:
        """All pending traces have been shown once."""
        self._looks += 1
        counts = Counter(name for _, _, services in self._seen.values() for name in services)
        self._common = frozenset(name for name, count in counts.items() if 2 * count >= len(self._seen))

    def services(self) -> frozenset[str]:
        """Services that stand in at least half of the traces seen."""
        return self._common
