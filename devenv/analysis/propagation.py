"""Lost context: calls of one service to another that the other answers in a new trace.

A call lost its context if it got a response, has no span of another service below it, and the called service has a
root span within its time. :func:`suspects` says which of the two services probably lost it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from devenv.analysis.callees import CALLS, NO_CALLEES, Callees, answered_spans, called_address, got_response
from devenv.analysis.figures.operations import ANSWERED
from devenv.analysis.tree import SKEW_NS, SpanTree
from devenv.immutable import immutable
from devenv.model.span import Span, SpanKind
from devenv.model.trace import OWN_SERVICE

LEAST = 3
"""Calls that lost their context; fewer may be spans that have not arrived yet, beside requests from elsewhere."""
LEAST_SHARE = 0.1
"""Of an edge's calls since the first that lost its context."""
EXAMPLES = 3
CLOCKS_NS = 50_000_000
"""How far the clocks of two services on one machine may differ, for a span to be within the time of its call."""
NEAR_NS = 60_000_000_000
"""A service that started at most this long before the first loss may be the reason for it."""

Edge = tuple[str, str]
"""Caller and called service."""

_Call = tuple[int, int, str, str]
_Top = tuple[int, int, str, str]
"""Start, end, trace ID, operation: of the caller that made a call, of the called service that answered."""


@immutable(kw_only=True)
class LostContext:
    """An edge whose calls lose their context.

    Attributes:
        operation: of the called service, in most of the calls.
        calling: operation of the caller in which most of the calls were made.
        since_ns: start of the first call that lost it, nanoseconds since the epoch.
        calls: all of the edge since then.
        lost: those that lost it.
        before: calls that kept it before.
        examples: trace IDs of the callers' parts, oldest first.
        continued_in: trace IDs of the called services' parts of these.
    """

    caller: str
    callee: str
    operation: str
    calling: str
    since_ns: int
    calls: int
    lost: int
    before: int
    examples: tuple[str, ...]
    continued_in: tuple[str, ...]


@dataclass(slots=True)
class _Calls:
    """Calls of one service to one address."""

    declared: str = ""
    kept: dict[str, list[int]] = field(default_factory=dict)
    unanswered: list[_Call] = field(default_factory=list)

    @property
    def callee(self) -> str:
        """The service that most of the calls reached; empty if unknown."""
        return max(sorted(self.kept), key=lambda name: len(self.kept[name]), default=self.declared)


class ContextPropagation:
    """The calls between the services of many traces, which are added one by one; memory grows with their number.

    Args:
        callees: the stack's services by their addresses; without them, a called service is known by the calls that
            kept their context.
    """

    def __init__(self, callees: Callees = NO_CALLEES) -> None:
        self._callees = callees
        self._calls: dict[tuple[str, tuple[str, int | None]], _Calls] = {}  # by service, and host and port
        self._tops: dict[str, list[_Top]] = {}

    def add(self, tree: SpanTree) -> None:
        """Add one trace."""
        for span in tree.roots:
            if span.kind is SpanKind.SERVER:
                self._tops.setdefault(span.service, []).append((span.start_ns, span.end_ns, span.trace_id, span.name))
        calls = [span for span in tree.spans if span.kind in CALLS]
        if not calls:
            return
        answered = answered_spans(tree.spans)
        for span in calls:
            if span.span_id in answered:
                for child in tree.below(span):
                    if child.service != span.service:
                        self._of(span).kept.setdefault(child.service, []).append(span.start_ns)
            elif span.kind is SpanKind.CLIENT and got_response(span):
                self._of(span).unanswered.append((span.start_ns, span.end_ns, span.trace_id, _operation(tree, span)))

    def add_request(self, span: Span, service: str | None) -> None:
        """Add a request that devenv sent itself, with its response; ``service`` has a span below it, if any."""
        if service is not None:
            self._of(span).kept.setdefault(service, []).append(span.start_ns)
        else:
            self._of(span).unanswered.append((span.start_ns, span.end_ns, span.trace_id, span.name))

    def _of(self, span: Span) -> _Calls:
        host, port = called_address(span)
        key = span.service, (host or span.name, port)
        found = self._calls.get(key)
        if found is None:
            found = self._calls[key] = _Calls(self._callees.called_by(span) or "")
        return found

    def kept(self) -> dict[Edge, list[int]]:
        """The starts of the calls that kept their context, in order, by edge."""
        edges: dict[Edge, list[int]] = {}
        for (caller, _), calls in self._calls.items():
            for callee, starts in calls.kept.items():
                edges.setdefault((caller, callee), []).extend(starts)
        return {edge: sorted(starts) for edge, starts in edges.items()}

    def lost(self) -> list[LostContext]:
        """The edges whose calls lose their context, the first that lost it first; usually none."""
        unanswered: dict[Edge, list[_Call]] = {}
        for (caller, _), calls in self._calls.items():
            if calls.unanswered and calls.callee not in {"", caller}:
                unanswered.setdefault((caller, calls.callee), []).extend(calls.unanswered)
        kept = self.kept()
        found = [self._lost(edge, sorted(calls), kept.get(edge, [])) for edge, calls in sorted(unanswered.items())]
        return sorted((each for each in found if each is not None), key=lambda each: each.since_ns)

    def _lost(self, edge: Edge, calls: list[_Call], kept: list[int]) -> LostContext | None:
        pairs = _pairs(calls, sorted(self._tops.get(edge[1], ())))
        if len(pairs) < LEAST:
            return None
        since_ns = pairs[0][0][0]
        before = sum(start < since_ns for start in kept)
        total = len(kept) - before + sum(call[0] >= since_ns for call in calls)
        if len(pairs) < LEAST_SHARE * total:
            return None
        return LostContext(
            caller=edge[0],
            callee=edge[1],
            operation=_commonest(top[3] for _, top in pairs),
            calling=_commonest(call[3] for call, _ in pairs),
            since_ns=since_ns,
            calls=total,
            lost=len(pairs),
            before=before,
            examples=tuple(call[2] for call, _ in pairs[:EXAMPLES]),
            continued_in=tuple(top[2] for _, top in pairs[:EXAMPLES]),
        )


def _operation(tree: SpanTree, span: Span) -> str:
    """The operation that a span belongs to: the nearest span of a request above it, or the uppermost."""
    while span.kind not in ANSWERED and (above := tree.parent(span)) is not None and above.service == span.service:
        span = above
    return span.name


def _commonest(names: Iterable[str]) -> str:
    return min(Counter(names).items(), key=lambda item: (-item[1], item[0]))[0]


def _pairs(calls: Sequence[_Call], tops: Sequence[_Top]) -> list[tuple[_Call, _Top]]:
    """Calls with a root span of the called service within their time, each span for one call; all in order of start.

    If requests run side by side, a span that fits without a difference of clocks comes first.
    """
    found: dict[_Call, _Top] = {}
    taken: set[int] = set()
    for clocks_ns in (SKEW_NS, CLOCKS_NS):
        first = 0
        for call in calls:
            start, end, trace_id, _ = call
            while first < len(tops) and tops[first][0] < start - clocks_ns:
                first += 1
            for number in range(first, len(tops) if call not in found else 0):
                top = tops[number]
                if top[0] > end + clocks_ns:
                    break
                if number not in taken and top[1] <= end + clocks_ns and top[2] != trace_id:
                    taken.add(number)
                    found[call] = top
                    break
    return sorted(found.items())


def suspects(
    lost: Sequence[LostContext],
    kept: Mapping[Edge, Sequence[int]],
    started: Mapping[str, Sequence[int]] | None = None,
) -> dict[Edge, str]:
    """The service that probably loses the context, by edge; an edge is left out if nothing tells it.

    A caller that other services still continue does send the context, as devenv does; a called service that continues
    the traces of others does read it. Of the services that are left, that which explains most edges is suspected. If
    both explain as many, it is the one of the two that started within a minute before the first loss.

    Args:
        lost: edges that lose it.
        kept: starts of the calls that keep it, by edge.
        started: when the services started, nanoseconds since the epoch.
    """
    broken = {(each.caller, each.callee) for each in lost}
    possible: dict[Edge, set[str]] = {}
    for each in lost:
        edge = (each.caller, each.callee)
        intact = [
            other
            for other, starts in kept.items()
            if other not in broken and sum(start >= each.since_ns for start in starts) >= LEAST
        ]
        blamed = {each.caller} if all(caller != each.caller for caller, _ in intact) else set()
        if all(callee != each.callee for _, callee in intact):
            blamed.add(each.callee)
        possible[edge] = {each.callee} if each.caller == OWN_SERVICE else blamed or {each.caller, each.callee}
    explained = Counter(service for services in possible.values() for service in services)
    found: dict[Edge, str] = {}
    for each in lost:
        edge = (each.caller, each.callee)
        most = max(explained[service] for service in possible[edge])
        left = [service for service in edge if service in possible[edge] and explained[service] == most]
        if len(left) > 1:
            near = range(each.since_ns - NEAR_NS, each.since_ns + CLOCKS_NS)
            left = [name for name in left if any(time in near for time in (started or {}).get(name, ()))]
        if len(left) == 1:
            found[edge] = left[0]
    return found
