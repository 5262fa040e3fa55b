"""The incident in many traces: failures, crashes, slower operations and lost context, causes before consequences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace

from devenv.analysis.callees import NO_CALLEES, Callees
from devenv.analysis.failures.component import EXAMPLES, Cause, Component, ranked
from devenv.analysis.failures.incident import LEAST_SHARE, Failures
from devenv.analysis.failures.latency import Latencies, Slower
from devenv.analysis.failures.losses import lost_contexts
from devenv.analysis.failures.requests import OwnRequests
from devenv.analysis.figures.operations import ANSWERED
from devenv.analysis.propagation import ContextPropagation
from devenv.analysis.tree import SpanTree
from devenv.immutable import immutable
from devenv.model.span import Span
from devenv.model.trace import Trace

NEAR_NS = 10_000_000_000
"""An exit is the reason for failures that began at most this long before or after it: it is seen late, or is followed
by a start."""


@immutable(kw_only=True)
class EngineHistory:
    """What the engine knows of the services, by their names in traces; times are nanoseconds since the epoch.

    Attributes:
        crashes: exits that were not asked for: when, and how it ended.
        starts: when instances were started.
    """

    crashes: Mapping[str, Sequence[tuple[int, str]]] = field(default_factory=dict)
    starts: Mapping[str, Sequence[int]] = field(default_factory=dict)


class Diagnosis:
    """Looks for faults in traces, which are added one by one.

    Args:
        callees: the stack's services by their addresses.
        called_by: the service that a client span called, ``None`` if it is not one that should have spans.
    """

    def __init__(self, callees: Callees = NO_CALLEES, called_by: Callable[[Span], str | None] = lambda _: None) -> None:
        self.failures = Failures(called_by)
        self._latencies = Latencies(called_by)
        self._contexts = ContextPropagation(callees)
        self._requests = OwnRequests(self._contexts)
        self._answers: dict[str, Counter[str]] = {}
        self._answered: dict[str, tuple[int, int]] = {}

    def add_requests(self, trace: Trace) -> None:
        """Add the requests that devenv sent itself, of a trace with all its spans."""
        self._requests.add(trace)

    def add(self, tree: SpanTree) -> None:
        """Add one trace without devenv's own spans."""
        self.failures.add(tree)
        self._latencies.add(tree)
        self._contexts.add(tree)
        for span in tree.spans:
            if span.kind in ANSWERED:
                self._answers.setdefault(span.service, Counter())[span.name] += 1
                first, last = self._answered.get(span.service, (span.start_ns, span.start_ns))
                self._answered[span.service] = min(first, span.start_ns), max(last, span.start_ns)

    def components(self, history: EngineHistory = EngineHistory()) -> list[Component]:  # noqa: B008 - immutable
        """Causes in the order of their importance, each followed by what it caused; often empty."""
        causes = self.failures.causes()
        unanswered = self._requests.failed()
        if unanswered is not None and unanswered.share >= LEAST_SHARE:
            causes.append(Cause(unanswered))
        causes = _with_crashes(causes, history, self._crashed(history), self._is_silent)
        slower = self._slower()
        causes = [*_without_late_answers(causes, slower), *slower]
        return ranked([*causes, *lost_contexts(self._contexts, history.starts)])

    def _is_silent(self, component: Component) -> bool:
        """Whether a service has no span since it began to fail."""
        answered = self._answered.get(component.service)
        return bool(component.seen_by) and (answered is None or answered[1] < component.since_ns)

    def _crashed(self, history: EngineHistory) -> list[Component]:
        """The first crash of each service that had answered before it, as a component without requests."""
        found = []
        for service, crashes in sorted(history.crashes.items()):
            first = self._answered.get(service, (0, 0))[0]
            later = [crash for crash in crashes if first and crash[0] >= first]
            if later:
                time_ns, how = min(later)
                operation = max(sorted(self._answers[service]), key=self._answers[service].__getitem__)
                found.append(
                    Component(
                        service=service,
                        operation=operation,
                        error=how,
                        since_ns=time_ns,
                        requests=0,
                        share=0.0,
                        examples=(),
                        kind="crash",
                    )
                )
        return found

    def _slower(self) -> list[Cause]:
        """The operations that are slower by themselves, each with those that wait for it."""
        slower = [each for each in self._latencies.causes() if each.share >= LEAST_SHARE]
        if not slower:
            return []
        places = {(each.service, each.operation) for each in slower}
        waiting = [each for each in self._latencies.waiting() if (each.service, each.operation) not in places]
        caused: dict[int, list[Component]] = {number: [] for number in range(len(slower))}
        for each in waiting:
            common = [len({*each.traces} & {*cause.traces}) for cause in slower]
            if max(common) * 2 >= each.requests:
                caused[common.index(max(common))].append(_slow_component(each))
        return [Cause(_slow_component(cause), caused[number]) for number, cause in enumerate(slower)]


def _with_crashes(
    causes: Iterable[Cause],
    history: EngineHistory,
    crashes: Sequence[Component],
    is_silent: Callable[[Component], bool],
) -> list[Cause]:
    """Mark the failures that are a crash, and add the crashes without failures."""
    seen: set[str] = set()
    found: list[Cause] = []
    for cause in causes:
        component = cause.component
        exits = history.crashes.get(component.service, ())
        if any(abs(time_ns - component.since_ns) <= NEAR_NS for time_ns, _ in exits):
            seen.add(component.service)
            found.append(replace(cause, component=replace(component, kind="crash")))
        elif is_silent(component):
            found.append(replace(cause, component=replace(component, kind="crash")))
        else:
            found.append(cause)
    return [*found, *(Cause(crash) for crash in crashes if crash.service not in seen)]


def _without_late_answers(causes: Iterable[Cause], slower: Sequence[Cause]) -> list[Cause]:
    """Move failures of calls to an operation that is slower below it: they waited too long for it."""
    kept: list[Cause] = []
    for cause in causes:
        late = next(
            (
                each
                for each in slower
                if each.component.service in cause.called
                and each.component.service != cause.component.service
                and each.component.since_ns <= cause.component.since_ns
            ),
            None,
        )
        if late is None:
            kept.append(cause)
        else:
            late.caused.extend([cause.component, *cause.caused])
    return kept


def _slow_component(found: Slower) -> Component:
    return Component(
        service=found.service,
        operation=found.operation,
        error="slower",
        since_ns=found.since_ns,
        requests=found.requests,
        share=found.share,
        examples=found.traces[:EXAMPLES],
        kind="latency",
        seen_by=found.seen_by,
        before_ns=found.before_ns,
        after_ns=found.after_ns,
    )
