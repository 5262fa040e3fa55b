"""Whether a request is traced end to end, and in which class it ends where it is not."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from devenv.analysis.causes import (
    Setup,
    callee,
    cause_of_absence,
    cause_of_missing,
    cause_of_orphans,
    cause_of_split,
)
from devenv.analysis.tree import SpanTree, build_tree
from devenv.model.trace import OWN_SERVICE, REQUEST_KEY, Trace, TraceClass

CLOCKS_NS = 10**9
"""How far the clocks of services may be behind devenv's own: an engine may be another machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What a complete trace of a request has to hold, and what helps to say why it does not.

    Attributes:
        services: each has to have a span.
        setups: what is known of the services' tracing settings, by service.
        known_services: services of which the backend has any span; ``None`` where that was not asked.
        newest_ns: start of the newest span of each service that is missed, nanoseconds since the epoch; a service of
            which nothing was found is left out, and ``None`` where that was not asked.
    """

    services: frozenset[str] = frozenset()
    setups: dict[str, Setup] = field(default_factory=dict)
    known_services: frozenset[str] | None = None
    newest_ns: Mapping[str, int] | None = None

    def active_since(self, start_ns: int) -> frozenset[str] | None:
        """Services with a span since then, give or take the difference of two machines' clocks."""
        if self.newest_ns is None:
            return None
        return frozenset(service for service, newest in self.newest_ns.items() if newest >= start_ns - CLOCKS_NS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The class of one request.

    Attributes:
        missing: expected services without a span.
        cause: empty where complete; the same text for requests that fell short in the same way.
        elsewhere: ids of the traces in which its torn-off parts stand.
    """

    trace_class: TraceClass
    missing: tuple[str, ...] = ()
    cause: str = ""
    elsewhere: tuple[str, ...] = ()


COMPLETE = Finding(trace_class="complete")


def classify(trace: Trace | None, expectation: Expectation, *, others: Sequence[Trace] = ()) -> Finding:
    """The class of a request by what the backend has of it: complete, partial, split, orphaned or absent.

    devenv's own root span counts as a parent, not as evidence that anything was traced.

    Args:
        trace: the trace under the id that the request was sent with; ``None`` where there is none.
        expectation: what it has to hold.
        others: traces that carry the request's key (:data:`~devenv.model.trace.REQUEST_KEY`) under other ids.
    """
    setups = {name: setup for name, setup in expectation.setups.items() if name in expectation.services}
    parts = [other for other in others if is_part(other, trace)]
    if parts:
        return Finding(
            trace_class="split",
            missing=_missing(trace, expectation),
            cause=cause_of_split(trace, parts),
            elsewhere=tuple(sorted(part.trace_id for part in parts)),
        )
    if trace is None or not trace.services:
        cause = cause_of_absence(trace, setups, expectation.known_services)
        return Finding(trace_class="absent", missing=tuple(sorted(expectation.services)), cause=cause)
    tree = build_tree(trace)
    missing = _missing(trace, expectation)
    if missing:
        active = expectation.active_since(trace.start_ns)
        cause = cause_of_missing(missing[0], tree, setups, expectation.known_services, active)
        return Finding(trace_class="partial", missing=missing, cause=cause)
    if tree.orphans or len(tree.roots) != 1:
        return Finding(trace_class="orphaned", cause=cause_of_orphans(tree))
    return COMPLETE


def is_complete(trace: Trace | None, services: Collection[str]) -> bool:
    """Whether every one of ``services`` has a span, with one root and every parent present; the quick form."""
    if trace is None or not trace.services:
        return False
    ids = {span.span_id for span in trace.spans}
    roots = 0
    for span in trace.spans:
        if span.parent_id is None:
            roots += 1
        elif span.parent_id not in ids or span.parent_id == span.span_id:
            return False
    return roots == 1 and set(services) <= set(trace.services)


def is_part(other: Trace, trace: Trace | None) -> bool:
    """Whether ``other`` is a torn-off part of ``trace``'s request, and not a batch joined to it by span links."""
    if trace is None:
        return True
    if other.trace_id == trace.trace_id:
        return False
    joined = any(link.trace_id == trace.trace_id for span in other.spans for link in span.links)
    back = any(link.trace_id == other.trace_id for span in trace.spans for link in span.links)
    return not joined and not back


def request_of(trace: Trace) -> str | None:
    """The request that a trace belongs to by the key that travelled with it; ``None`` where nothing travelled."""
    for span in trace.spans:
        value = span.attributes.get(REQUEST_KEY)
        if isinstance(value, str) and span.service != OWN_SERVICE:
            return value
    return None


def _missing(trace: Trace | None, expectation: Expectation) -> tuple[str, ...]:
    """Expected services without a span, those nearest to what is there first: they are called by it."""
    present = set(trace.services) if trace else set()
    missing = expectation.services - present
    called = _called(build_tree(trace)) if trace else frozenset()
    return tuple(sorted(missing, key=lambda service: (service not in called, service)))


def _called(tree: SpanTree) -> frozenset[str]:
    return frozenset(name for span in tree.spans.values() if (name := callee(span)))
