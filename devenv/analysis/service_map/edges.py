"""The calls that traces show: who called whom, how often, with how many errors, and how long it took."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from devenv.analysis.callees import NO_CALLEES, Callees, got_response
from devenv.analysis.figures.operations import Samples
from devenv.analysis.service_map.peers import CalledPeer, PeerKind, peer_of
from devenv.analysis.tree import SpanTree
from devenv.model.span import Span, SpanKind

EXAMPLES = 3
"""Trace IDs that are kept for an edge."""

_CALLS = frozenset({SpanKind.CLIENT, SpanKind.PRODUCER})


@dataclass(slots=True)
class EdgeCalls:
    """EdgeCalls of one edge; their durations are those that the caller saw, if it has spans of them.

    Attributes:
        examples: trace IDs, of calls with errors if there are any.
        in_process: to a database in the caller's own process.
        unanswered: calls of a service that got a response and have no span of the called service below them.
    """

    samples: Samples = field(default_factory=Samples)
    examples: list[str] = field(default_factory=list)
    in_process: bool = False
    unanswered: int = 0

    def add(self, span: Span, *, failed: bool) -> None:
        """Add one call, of which ``span`` has the duration."""
        if failed and not self.samples.errors:
            self.examples.clear()
        self.samples.durations.append(span.duration_ns)
        self.samples.errors += failed
        wanted = len(self.examples) < EXAMPLES and (failed or not self.samples.errors)
        if wanted and span.trace_id not in self.examples:
            self.examples.append(span.trace_id)


class Observed:
    """Nodes and edges of many traces, which are added one by one.

    Args:
        callees: the services of the stack by their addresses.
        settled_ns: of a trace that ended before this time, in nanoseconds since the epoch, all spans have arrived; in
            others, a call without an answer is not counted as such.

    Attributes:
        kinds: of all nodes.
        spans: number of spans of each service.
        calls: by caller and called node. Messages lead from the producer to the broker, and from it to the consumer.
    """

    def __init__(self, callees: Callees = NO_CALLEES, settled_ns: int = 0) -> None:
        self.kinds: dict[str, PeerKind] = {}
        self.spans: dict[str, int] = {}
        self.calls: dict[tuple[str, str], EdgeCalls] = {}
        self._callees = callees
        self._settled_ns = settled_ns
        self._sent: dict[tuple[str, str], str] = {}
        self._linked: list[Span] = []

    def add(self, tree: SpanTree) -> None:
        """Add one trace."""
        for span in tree.spans:
            self.kinds[span.service] = "service"
            self.spans[span.service] = self.spans.get(span.service, 0) + 1
            if span.kind is SpanKind.PRODUCER:
                self._sent[span.trace_id, span.span_id] = span.service
            self._received(tree, span)
            self._called(tree, span)

    def finish(self) -> None:
        """Add the edges of links whose broker no attribute names; their other ends may be in traces added later."""
        for span in self._linked:
            for service in {self._sent.get((link.trace_id, link.span_id)) for link in span.links} - {None}:
                self._edge(str(service), span.service).add(span, failed=span.is_error)
        self._linked.clear()

    def _received(self, tree: SpanTree, span: Span) -> None:
        """Add the call that a span answers."""
        parent = tree.parent(span)
        if span.kind is SpanKind.CONSUMER:
            broker = peer_of(span, self._callees)
            if broker is not None and broker.kind == "messaging":
                self._node(broker)
                self._edge(broker.name, span.service).add(span, failed=span.is_error)
                return
            if parent is None and span.links:
                self._linked.append(span)
        if parent is None or (parent.service == span.service and not _calls_itself(parent, span)):
            return
        caller = parent if parent.kind in _CALLS else span
        failed = span.is_error or caller.is_error
        self._edge(parent.service, span.service).add(caller, failed=failed)

    def _called(self, tree: SpanTree, span: Span) -> None:
        """Add the call that a span makes, unless what it called has a span below it."""
        peer = peer_of(span, self._callees)
        if peer is None or span.kind is SpanKind.CONSUMER or (peer.kind != "messaging" and _is_answered(tree, span)):
            return
        parent = tree.parent(span)
        if parent is not None and parent.service == span.service and peer_of(parent, self._callees) == peer:
            return  # of a library above the driver: one call
        if peer.name == span.service and peer.kind != "service":
            return
        self._node(peer)
        calls = self._edge(span.service, peer.name)
        calls.in_process = peer.in_process
        if peer.kind == "service" and span.end_ns < self._settled_ns and got_response(span):
            calls.unanswered += 1
        calls.add(span, failed=span.is_error)

    def _node(self, peer: CalledPeer) -> None:
        self.kinds.setdefault(peer.name, peer.kind)

    def _edge(self, caller: str, called: str) -> EdgeCalls:
        return self.calls.setdefault((caller, called), EdgeCalls())

    def edges(self) -> Iterator[tuple[str, str, EdgeCalls]]:
        """Caller, called node and calls, by name."""
        for (caller, called), calls in sorted(self.calls.items()):
            yield caller, called, calls


def _calls_itself(parent: Span, span: Span) -> bool:
    return parent.kind in _CALLS and span.kind in {SpanKind.SERVER, SpanKind.CONSUMER}


def _is_answered(tree: SpanTree, span: Span) -> bool:
    """Whether the called side has a span below a call, also one of the same service."""
    return any(child.service != span.service or _calls_itself(span, child) for child in tree.below(span))
