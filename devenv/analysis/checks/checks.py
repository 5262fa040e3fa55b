"""All checks of tracing, over traces that are added page by page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from devenv.analysis.callees import NO_CALLEES, Callees
from devenv.analysis.checks.finding import TracingFinding, in_order
from devenv.analysis.checks.findings.attributes import OldConventions, ResourceAttributes
from devenv.analysis.checks.findings.clocks import Clocks
from devenv.analysis.checks.findings.lost_spans import LostSpans
from devenv.analysis.checks.findings.propagation import BrokenPropagation
from devenv.analysis.checks.findings.secrets import Secrets
from devenv.analysis.checks.findings.span_names import SpanNames
from devenv.analysis.checks.observed import SeenTrace, ServiceCall, calls_of, look_at
from devenv.analysis.checks.score.scores import Scores, ServiceScore
from devenv.immutable import immutable
from devenv.model.trace import Trace


@immutable(kw_only=True)
class KnownStack:
    """What is known of the project beside its traces.

    Attributes:
        callees: the services of the stack by their addresses.
        traced: names of those that have spans if they are called; ``None`` if the stack is not known.
        entrypoint: name of the one that devenv's own requests go to; empty if it is not known.
        propagators: ``OTEL_PROPAGATORS`` by service.
    """

    callees: Callees = NO_CALLEES
    traced: frozenset[str] | None = None
    entrypoint: str = ""
    propagators: Mapping[str, str] | None = None


class TraceChecks:
    """Scores and findings of many traces.

    Attributes:
        seen: names of the services with spans.
        looked_at: number of traces.
    """

    def __init__(self, around: KnownStack) -> None:
        self.seen: set[str] = set()
        self.looked_at = 0
        self._around = around
        self._scores = Scores()
        self._propagation = BrokenPropagation()
        self._lost = LostSpans()
        self._others = (SpanNames(), Secrets(), Clocks(), ResourceAttributes(), OldConventions())

    def add_all(self, traces: Iterable[Trace], *, settled_ns: int | None = None) -> set[str]:
        """Add traces; return the IDs of those that were put aside because spans of them may still arrive.

        Args:
            traces: the traces.
            settled_ns: of a trace that ended before this time, in nanoseconds since the epoch, all spans have arrived.
        """
        aside: set[str] = set()
        for trace in traces:
            seen = look_at(trace)
            calls = [
                call for call in calls_of(seen, self._around.callees, self._around.entrypoint) if self._is_traced(call)
            ]
            if settled_ns is not None and trace.end_ns >= settled_ns and _may_grow(seen, calls):
                aside.add(trace.trace_id)
            else:
                self._add(seen, calls)
        return aside

    def add_answers(self, traces: Iterable[Trace]) -> None:
        """Add traces that are not checked themselves, but may have the requests that other traces lack."""
        for trace in traces:
            self._propagation.add_requests(look_at(trace))

    def _add(self, seen: SeenTrace, calls: Sequence[ServiceCall]) -> None:
        self.looked_at += 1
        self.seen.update(seen.by_service)
        self._propagation.add(seen, calls)
        self._lost.add(seen)
        self._scores.add(seen)
        for check in self._others:
            check.add(seen)

    def _is_traced(self, call: ServiceCall) -> bool:
        """Whether the called service has spans; without a stack, the services with spans are known at the end."""
        return self._around.traced is None or call.called in self._around.traced

    @property
    def unanswered(self) -> bool:
        """Whether calls have no span of the called service."""
        return any(counts.unanswered for counts in self._propagation.calls.values())

    def scores(self) -> list[ServiceScore]:
        """The Instrumentation Score of each service, by name."""
        return self._scores.scores()

    def findings(self, silent: Mapping[str, str]) -> list[TracingFinding]:
        """Devenv's own findings.

        Args:
            silent: services that sent no span since they started, with what is wrong with their settings.
        """
        known = frozenset(self.seen) | (self._around.traced or frozenset())
        calls = {pair: counts for pair, counts in self._propagation.calls.items() if pair[1] in known}
        matches = {pair: found for pair, found in self._propagation.matches().items() if pair in calls}
        found = [
            *self._propagation.findings(matches, self._around.propagators or {}),
            *self._lost.findings(calls, matches, frozenset(self.seen), silent),
        ]
        for check in self._others:
            found += check.findings()
        return in_order(found)


def _may_grow(seen: SeenTrace, calls: Sequence[ServiceCall]) -> bool:
    return bool(seen.tree.orphans) or any(not call.answered for call in calls)
