"""The service map: observed calls beside declared ones."""

from __future__ import annotations

from collections.abc import Mapping

from devenv.analysis.service_map.edges import Observed
from devenv.analysis.service_map.peers import PeerKind
from devenv.immutable import immutable


@immutable()
class Node:
    """A service, database, broker or external system, with the number of its spans."""

    name: str
    kind: PeerKind
    spans: int


@immutable(kw_only=True)
class Edge:
    """Calls from one node to another.

    Attributes:
        declared: ``None`` if it is not known what the stack declares.
        observed: whether there was a call.
        p50_ms, p99_ms: exact, in milliseconds; ``None`` with too few calls.
        examples: trace IDs, of calls with errors if there are any.
        in_process: to a database in the caller's own process, which no stack declares.
        not_continued: calls that the called service, which has spans, answered without a span below the caller's.
    """

    caller: str
    callee: str
    declared: bool | None
    observed: bool
    calls: int = 0
    errors: int = 0
    p50_ms: float | None = None
    p99_ms: float | None = None
    examples: tuple[str, ...] = ()
    in_process: bool = False
    not_continued: int = 0

    @property
    def is_lost(self) -> bool:
        """Whether it is declared and was never seen."""
        return bool(self.declared) and not self.observed

    @property
    def is_added(self) -> bool:
        """Whether it was seen and is not declared."""
        return self.observed and self.declared is False and not self.in_process


@immutable()
class ServiceMap:
    """Nodes and edges, by name."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


def service_map(
    observed: Observed, declared: frozenset[tuple[str, str]] | None, kinds: Mapping[str, PeerKind]
) -> ServiceMap:
    """Put observed and declared edges beside each other.

    A consumer declares that it depends on its broker, and messages come the other way: one edge is both.

    Args:
        observed: the calls of the traces.
        declared: caller and called node; ``None`` if it is not known what the stack declares.
        kinds: of the declared nodes.
    """
    observed.finish()
    seen = {(caller, called) for caller, called, _ in observed.edges()}
    brokers = {name for name, kind in observed.kinds.items() if kind == "messaging"}
    expected = {_as_observed(edge, seen, brokers) for edge in declared or ()}
    edges = []
    for caller, called, calls in observed.edges():
        p50, p99 = calls.samples.percentiles((0.5, 0.99))
        edges.append(
            Edge(
                caller=caller,
                callee=called,
                declared=None if declared is None else (caller, called) in expected or caller == called,
                observed=True,
                calls=len(calls.samples),
                errors=calls.samples.errors,
                p50_ms=p50,
                p99_ms=p99,
                examples=tuple(calls.examples),
                in_process=calls.in_process,
                not_continued=calls.unanswered if observed.spans.get(called) else 0,
            )
        )
    edges += [Edge(caller=a, callee=b, declared=True, observed=False) for a, b in expected - seen]
    edges.sort(key=lambda edge: (edge.caller, edge.callee))
    names = {*observed.kinds, *kinds, *(name for edge in edges for name in (edge.caller, edge.callee))}
    nodes = [
        Node(name, observed.kinds.get(name) or kinds.get(name, "service"), observed.spans.get(name, 0))
        for name in sorted(names)
    ]
    return ServiceMap(tuple(nodes), tuple(edges))


def _as_observed(edge: tuple[str, str], seen: set[tuple[str, str]], brokers: set[str]) -> tuple[str, str]:
    caller, called = edge
    return (called, caller) if called in brokers and edge not in seen and (called, caller) in seen else edge
