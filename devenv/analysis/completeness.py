"""Whether a request is traced end to end, and its class if it is not."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import field

from devenv.analysis.callees import NO_CALLEES, Callees, callee, silent_services
from devenv.analysis.causes import (
    Setup,
    cause_of_absence,
    cause_of_missing,
    cause_of_orphans,
    cause_of_split,
)
from devenv.analysis.tree import SpanTree, build_tree
from devenv.immutable import immutable
from devenv.model.trace import OWN_SERVICE, REQUEST_KEY, Trace, TraceClass

CLOCKS_NS = 10**9
"""How far the services' clocks may be behind devenv's: an engine may be another machine."""


@immutable(kw_only=True)
class Expectation:
    """What a complete trace of a request has to contain, and facts that explain why a trace is not complete.

    Attributes:
        services: each needs a span.
        callees: the stack's services by address; all those that are called need a span, too.
        entrypoint: service name of the entry point's spans; empty if unknown.
        setups: the services' tracing settings as far as known, by service.
        known_services: services that have any span in the backend; ``None`` if the backend was not asked.
        newest_ns: start of the newest span of each missing service, nanoseconds since the epoch; a service without a
            span is left out; ``None`` if the backend was not asked.
        joined: those of them that continued the trace of a request since the first one began.
    """

    services: frozenset[str] = frozenset()
    callees: Callees = NO_CALLEES
    entrypoint: str = ""
    setups: dict[str, Setup] = field(default_factory=dict)
    known_services: frozenset[str] | None = None
    newest_ns: Mapping[str, int] | None = None
    joined: frozenset[str] = frozenset()

    def active_since(self, start_ns: int) -> frozenset[str] | None:
        """Services with a span since ``start_ns``, allowing for the difference between two machines' clocks."""
        if self.newest_ns is None:
            return None
        return frozenset(service for service, newest in self.newest_ns.items() if newest >= start_ns - CLOCKS_NS)


@immutable(kw_only=True)
class Finding:
    """The class of one request.

    Attributes:
        missing: expected services without a span.
        cause: empty if complete; the same text for requests that are incomplete in the same way.
        elsewhere: IDs of the traces that contain the other parts of a split trace.
    """

    trace_class: TraceClass
    missing: tuple[str, ...] = ()
    cause: str = ""
    elsewhere: tuple[str, ...] = ()


COMPLETE = Finding(trace_class="complete")


def classify(trace: Trace | None, expectation: Expectation, *, others: Sequence[Trace] = ()) -> Finding:
    """Return the class of a request by its spans: complete, partial, split, orphaned or absent.

    devenv's own root span counts as a parent, not as evidence that a service is traced.

    Args:
        trace: the trace under the ID that the request was sent with; ``None`` if it has no spans.
        expectation: what the trace has to contain.
        others: traces under other IDs that carry the request's key (:data:`~devenv.model.trace.REQUEST_KEY`).
    """
    parts = [other for other in others if is_part(other, trace)]
    if parts:
        return Finding(
            trace_class="split",
            missing=_missing(trace, expectation),
            cause=cause_of_split(trace, parts),
            elsewhere=tuple(sorted(part.trace_id for part in parts)),
        )
    if trace is None or not trace.services:
        cause = _cause_of_absence(trace, expectation)
        return Finding(trace_class="absent", missing=tuple(sorted(expectation.services)), cause=cause)
    tree = build_tree(trace)
    missing = _missing(trace, expectation)
    if missing:
        active = expectation.active_since(trace.start_ns)
        cause = cause_of_missing(
            missing[0],
            tree,
            expectation.setups,
            expectation.known_services,
            active,
            joined=expectation.joined,
            callees=expectation.callees,
            entrypoint=expectation.entrypoint,
        )
        return Finding(trace_class="partial", missing=missing, cause=cause)
    if tree.orphans or len(tree.roots) != 1:
        return Finding(trace_class="orphaned", cause=cause_of_orphans(tree))
    return COMPLETE


def _cause_of_absence(trace: Trace | None, expectation: Expectation) -> str:
    wanted = expectation.services | ({expectation.entrypoint} - {""})
    setups = {name: setup for name, setup in expectation.setups.items() if name in wanted}
    known = expectation.known_services
    # A backend may have the spans of other projects: their age says nothing about these services.
    own = (known or frozenset()) & (wanted | expectation.callees.names)
    active = expectation.active_since(trace.start_ns) if trace and own else None
    active = active & own if active is not None else None
    return cause_of_absence(trace, setups, known, entrypoint=expectation.entrypoint, active=active)


def is_complete(trace: Trace | None, services: Collection[str], callees: Callees = NO_CALLEES) -> bool:
    """Whether the trace is complete as `classify` decides it, but faster.

    Every one of ``services`` and every service that a span called has a span, with one root and every parent present.
    """
    if trace is None or not trace.services:
        return False
    starts = {span.span_id: span.start_ns for span in trace.spans}
    roots, ordered = 0, len(starts) == len(trace.spans)
    for span in trace.spans:
        if span.parent_id is None:
            roots += 1
        elif span.parent_id not in starts:
            return False
        else:
            ordered = ordered and starts[span.parent_id] < span.start_ns
    # If each parent starts before its child, there is no cycle of parents.
    if roots != 1 or not set(services) <= set(trace.services) or silent_services(trace, callees):
        return False
    return ordered or not build_tree(trace).cycles


def is_part(other: Trace, trace: Trace | None) -> bool:
    """Whether ``other`` is a part of ``trace``'s request, and not a batch that span links join to it."""
    if trace is None:
        return True
    if other.trace_id == trace.trace_id:
        return False
    joined = any(link.trace_id == trace.trace_id for span in other.spans for link in span.links)
    back = any(link.trace_id == other.trace_id for span in trace.spans for link in span.links)
    return not joined and not back


def request_of(trace: Trace) -> str | None:
    """The request that a trace belongs to by its request key; ``None`` if the trace carries no key."""
    for span in trace.spans:
        value = span.attributes.get(REQUEST_KEY)
        if isinstance(value, str) and span.service != OWN_SERVICE:
            return value
    return None


def _missing(trace: Trace | None, expectation: Expectation) -> tuple[str, ...]:
    """Expected and called services without a span; first those that a span in the trace calls."""
    present = set(trace.services) if trace else set()
    silent = silent_services(trace, expectation.callees) if trace else ()
    missing = (expectation.services - present) | set(silent)
    if not missing:
        return ()
    called = {*silent, *_called(build_tree(trace))} if trace else frozenset()
    return tuple(sorted(missing, key=lambda service: (service not in called, service)))


def _called(tree: SpanTree) -> frozenset[str]:
    return frozenset(name for span in tree.spans if (name := callee(span)))
