"""What fails in many traces: the components in which requests failed first, and those that failed because of them."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from devenv.analysis.failures.error_text import error_text
from devenv.analysis.failures.propagation import SpanFailure, find_failures
from devenv.analysis.tree import SpanTree
from devenv.immutable import immutable
from devenv.model.span import Span, SpanKind

EXAMPLES = 3
LEAST_SHARE = 0.01
"""Failed requests since the first failure, of all: fewer are the noise of a service, not an incident."""

EARLIER = 5
"""A component with less than this part of the most failed requests is listed after those with more, even if it failed
before them."""

_CALLS = frozenset({SpanKind.CLIENT, SpanKind.PRODUCER})

Place = tuple[str, str]
"""Service and operation."""


@immutable(kw_only=True)
class Component:
    """An operation in which requests failed.

    Attributes:
        error: what most of its failed spans say.
        since_ns: end of its first failed span, nanoseconds since the epoch.
        requests: traces in which it failed.
        share: of the traces since its first failure, 0 to 1.
        examples: trace IDs, oldest first.
        caused_by: position of the component because of which it failed; ``None`` if it failed by itself.
        seen_by: the service whose calls failed, if the component itself has no span in them.
        retried: failed attempts that a later attempt made good.
    """

    service: str
    operation: str
    error: str
    since_ns: int
    requests: int
    share: float
    examples: tuple[str, ...]
    caused_by: int | None = None
    seen_by: str = ""
    retried: int = 0


@dataclass(slots=True)
class _Found:
    since_ns: int = 0
    examples: list[tuple[int, str]] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    seen_by: str = ""

    def add(self, span: Span) -> None:
        """Add one trace in which the span failed."""
        self.requests += 1
        self.since_ns = min(self.since_ns or span.end_ns, span.end_ns)
        self.errors[error_text(span)] += 1
        self.examples = sorted([*self.examples, (span.end_ns, span.trace_id)])[:EXAMPLES]


class Failures:
    """The failures of many traces, which are added one by one.

    Args:
        called_by: the service that a client span called, ``None`` if it is not one that should have spans.

    Attributes:
        retried: failures of attempts that a later attempt made good, by service and operation.
    """

    def __init__(self, called_by: Callable[[Span], str | None] = lambda _: None) -> None:
        self.retried: Counter[Place] = Counter()
        self._called_by = called_by
        self._found: dict[Place, _Found] = {}
        self._taken: dict[Place, dict[Place, _Found]] = {}
        self._starts: list[int] = []

    def add(self, tree: SpanTree) -> None:
        """Add one trace."""
        self._starts.append(tree.spans[0].start_ns)
        propagation = find_failures(tree)
        for failure in propagation.retried:
            self.retried[self._place(tree, failure)[0]] += 1
        counted: set[Place] = set()
        for failure in propagation.failures:
            place, seen_by = self._place(tree, failure)
            if place not in counted:
                counted.add(place)
                found = self._found.setdefault(place, _Found())
                found.seen_by = seen_by or found.seen_by
                found.add(failure.span)
            self._add_taken(place, failure, counted)

    def _add_taken(self, place: Place, failure: SpanFailure, counted: set[Place]) -> None:
        taken = self._taken.setdefault(place, {})
        for span in failure.taken:
            upper = (span.service, span.name)
            if span.kind not in _CALLS and upper not in counted:
                counted.add(upper)
                taken.setdefault(upper, _Found()).add(span)

    def _place(self, tree: SpanTree, failure: SpanFailure) -> tuple[Place, str]:
        """Service and operation that a failure is of, and the caller if only its span shows it."""
        span = failure.span
        if span.kind in _CALLS and all(child.service == span.service for child in tree.below(span)):
            called = self._called_by(span)
            if called is not None and called != span.service:
                return (called, span.name), span.service
        return (span.service, span.name), ""

    def components(self) -> list[Component]:
        """Causes in the order of their importance, each followed by what failed because of it; often empty.

        The first ones are those with many failed requests, among them the one that failed first.
        """
        self._starts.sort()
        causes = [(place, found) for place, found in self._found.items() if self._share(found) >= LEAST_SHARE]
        most = max((found.requests for _, found in causes), default=0)
        causes.sort(key=lambda item: (item[1].requests * EARLIER < most, item[1].since_ns, item[0]))
        components: list[Component] = []
        for place, found in causes:
            cause = len(components)
            components.append(self._component(place, found, None))
            taken = self._taken.get(place, {}).items()
            ranked = sorted(taken, key=lambda item: (-item[1].requests, item[1].since_ns, item[0]))
            components += [self._component(upper, caused, cause) for upper, caused in ranked]
        return components

    def _share(self, found: _Found) -> float:
        """Share of the traces that began when the first failure occurred or later, with those that failed before."""
        later = len(self._starts) - bisect_left(self._starts, found.since_ns)
        return found.requests / max(later, found.requests)

    def _component(self, place: Place, found: _Found, caused_by: int | None) -> Component:
        error = min(found.errors.items(), key=lambda item: (-item[1], item[0]))[0]
        return Component(
            service=place[0],
            operation=place[1],
            error=error,
            since_ns=found.since_ns,
            requests=found.requests,
            share=self._share(found),
            examples=tuple(trace_id for _, trace_id in found.examples),
            caused_by=caused_by,
            seen_by=found.seen_by,
            retried=self.retried[place],
        )
