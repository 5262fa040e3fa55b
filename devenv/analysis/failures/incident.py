"""What fails in many traces: the operations in which requests failed first, and those that failed because of them."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from devenv.analysis.failures.component import EXAMPLES, Cause, Component, ranked
from devenv.analysis.failures.error_text import error_text
from devenv.analysis.failures.propagation import SpanFailure, find_failures
from devenv.analysis.tree import SpanTree
from devenv.model.span import Span, SpanKind

LEAST_SHARE = 0.01
"""Failed requests since the first failure, of all: fewer are the noise of a service, not an incident."""

_CALLS = frozenset({SpanKind.CLIENT, SpanKind.PRODUCER})

Place = tuple[str, str]
"""Service and operation."""


@dataclass(slots=True)
class _Found:
    since_ns: int = 0
    examples: list[tuple[int, str]] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    seen_by: str = ""
    called: Counter[str] = field(default_factory=Counter)

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
                found.called.update({child.service for child in tree.below(failure.span)} - {failure.span.service})
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

    def causes(self) -> list[Cause]:
        """Causes with what failed because of them, in no order; often empty."""
        self._starts.sort()
        return [
            Cause(self._component(place, found), self._caused(place), tuple(found.called))
            for place, found in sorted(self._found.items())
            if self._share(found) >= LEAST_SHARE
        ]

    def _caused(self, place: Place) -> list[Component]:
        taken = self._taken.get(place, {}).items()
        ranked = sorted(taken, key=lambda item: (-item[1].requests, item[1].since_ns, item[0]))
        return [self._component(upper, caused) for upper, caused in ranked]

    def components(self) -> list[Component]:
        """Causes in the order of their importance, each followed by what failed because of it; often empty."""
        return ranked(self.causes())

    def _share(self, found: _Found) -> float:
        """Share of the traces that began when the first failure occurred or later, with those that failed before."""
        later = len(self._starts) - bisect_left(self._starts, found.since_ns)
        return found.requests / max(later, found.requests)

    def _component(self, place: Place, found: _Found) -> Component:
        error = min(found.errors.items(), key=lambda item: (-item[1], item[0]))[0]
        return Component(
            service=place[0],
            operation=place[1],
            error=error,
            since_ns=found.since_ns,
            requests=found.requests,
            share=self._share(found),
            examples=tuple(trace_id for _, trace_id in found.examples),
            seen_by=found.seen_by,
            retried=self.retried[place],
        )
