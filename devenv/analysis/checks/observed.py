"""A trace as the checks look at it, and the traces that a check found something in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from devenv.analysis.callees import NO_CALLEES, Callees, callee, got_response
from devenv.analysis.tree import SpanTree, build_tree
from devenv.immutable import immutable
from devenv.model.span import Span, SpanKind, Value
from devenv.model.trace import OWN_SERVICE, Trace

EXAMPLES = 3
"""Trace IDs that are kept of what a check found."""


@immutable(kw_only=True)
class SeenTrace:
    """A trace, its tree, and its spans by service; devenv's own spans are in the tree only.

    Attributes:
        resources: by service, each resource once.
    """

    trace: Trace
    tree: SpanTree
    by_service: Mapping[str, list[Span]]
    resources: Mapping[str, list[Mapping[str, Value]]]

    @property
    def trace_id(self) -> str:
        """ID of the trace."""
        return self.trace.trace_id

    def spans(self) -> Iterator[Span]:
        """All spans but devenv's own."""
        for spans in self.by_service.values():
            yield from spans


def look_at(trace: Trace) -> SeenTrace:
    """Arrange a trace for the checks."""
    by_service: dict[str, list[Span]] = {}
    resources: dict[str, dict[int, Mapping[str, Value]]] = {}
    for span in trace.spans:
        if span.service != OWN_SERVICE:
            by_service.setdefault(span.service, []).append(span)
            resources.setdefault(span.service, {})[id(span.resource)] = span.resource
    return SeenTrace(
        trace=trace,
        tree=build_tree(trace),
        by_service=by_service,
        resources={service: list(found.values()) for service, found in resources.items()},
    )


class Affected:
    """How many traces are affected, and the first of them."""

    __slots__ = ("_last", "count", "examples")

    def __init__(self) -> None:
        self.count = 0
        self.examples: list[str] = []
        self._last = ""

    def add(self, trace_id: str) -> None:
        """Count a trace, once if it is added several times in a row."""
        if trace_id != self._last:
            self._last = trace_id
            self.count += 1
            if len(self.examples) < EXAMPLES:
                self.examples.append(trace_id)


@immutable(kw_only=True)
class ServiceCall:
    """A call of one service to another, as the caller's span shows it.

    Attributes:
        span: the caller's.
        called: name of the called service.
        answered: whether another service has a span below it.
        certain: whether a span of the called service is missing if it is not answered: there was a response.
    """

    span: Span
    called: str
    answered: bool
    certain: bool


def calls_of(seen: SeenTrace, callees: Callees = NO_CALLEES, entrypoint: str = "") -> Iterator[ServiceCall]:
    """The calls of a trace whose attributes name what is called: also devenv's own requests to the entry point.

    The span of a library above the HTTP client is left out: the client's span below it is the call.
    """
    tree = seen.tree
    for span in tree.spans:
        if span.kind is SpanKind.CLIENT:
            called = callees.called_by(span) or callee(span)
        elif span.service == OWN_SERVICE and span.parent_id is None:
            called = entrypoint
        else:
            continue
        if not called:
            continue
        below = tree.below(span)
        if any(child.service == span.service and child.kind is SpanKind.CLIENT for child in below):
            continue
        answered = any(child.service != span.service or child.kind is SpanKind.SERVER for child in below)
        yield ServiceCall(span=span, called=called, answered=answered, certain=not answered and got_response(span))
