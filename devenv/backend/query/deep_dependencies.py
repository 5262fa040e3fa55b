"""The paths of calls through a service, for Jaeger's System Architecture page of one service.

A path leads from a root span to a span without children. As in Jaeger's UI, a span is a step of it if it is the first,
if its service is another than that of the step before, or if its kind is server.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import Any

from devenv.backend.query.shared_span_ids import decoded
from devenv.backend.store.decoding import Snapshot, Steps, snapshot
from devenv.backend.store.store import Store
from devenv.immutable import immutable
from devenv.otlp.values import text

MOST_PATHS = 1000
MOST_EXAMPLES = 10
_SERVER = 2
_TRACES = 64
_SPANS = 1024


@immutable()
class Focus:
    """What is asked for: paths through a service, or one of its operations, in traces of a time in ns.

    Attributes:
        operation: empty for any.
        start, end: a trace that has spans between them counts; 0 for no limit.
    """

    service: str
    operation: str = ""
    start: int = 0
    end: int = 0


@dataclass(eq=False, slots=True)
class PathStep:
    """A step of paths that begin alike. ``traces`` has IDs of traces in which a path ends here."""

    before: PathStep | None
    service: str
    operation: str
    focal: bool
    after: dict[tuple[str, str], PathStep] = field(default_factory=dict)
    traces: list[bytes] = field(default_factory=list)

    def path(self) -> list[tuple[str, str]]:
        """Service and operation of each step up to this one."""
        found = []
        step: PathStep | None = self
        while step is not None and step.before is not None:
            found.append((step.service, step.operation))
            step = step.before
        return found[::-1]


def deep_dependencies(store: Store, focus: Focus) -> Steps[list[PathStep]]:
    """Find the last steps of the distinct paths, at most ``MOST_PATHS``, those of the newest traces."""
    first = PathStep(None, "", "", focal=False)
    ends: list[PathStep] = []
    for number, trace in enumerate(store.newest(focus.service), 1):
        if number % _TRACES == 0:
            yield None
        if len(ends) >= MOST_PATHS:
            break
        if not trace.alive or trace.end < focus.start or 0 < focus.end < trace.start:
            continue
        for end in (yield from _ends(snapshot(trace, store.scopes), first, focus)):
            if not end.traces:
                ends.append(end)
            if len(end.traces) < MOST_EXAMPLES and trace.id not in end.traces:
                end.traces.append(trace.id)
    return ends[:MOST_PATHS]


def _ends(taken: Snapshot, first: PathStep, focus: Focus) -> Steps[set[PathStep]]:
    """The steps in which paths of one trace end."""
    trace = yield from decoded(taken, separate=True)
    children: dict[bytes, list[tuple[bytes, str, str, bool]]] = {}
    known: set[bytes] = set()
    for scope, parts in trace.chunks:
        for spans in parts:
            for span in spans:
                known.add(span.span_id)
                children.setdefault(span.parent_span_id, []).append(_node(scope.service.name, span))
            yield None
    # A span whose parent is not stored begins a path.
    waiting = [(first, node) for parent, nodes in children.items() if parent not in known for node in nodes]
    found: set[PathStep] = set()
    for number in count(1):
        if not waiting:
            break
        if number % _SPANS == 0:
            yield None
        before, (span_id, service, operation, server) = waiting.pop()
        step = before if before.service == service and not server and before is not first else None
        if step is None:
            step = before.after.get((service, operation))
            if step is None:
                here = service == focus.service and focus.operation in {"", operation}
                step = PathStep(before, service, operation, before.focal or here)
                before.after[service, operation] = step
        below = children.pop(span_id, ())
        waiting += [(step, node) for node in below]
        if not below and step.focal:
            found.add(step)
    return found


def _node(service: str, span: Any) -> tuple[bytes, str, str, bool]:
    return span.span_id, service, text(span.name), span.kind == _SERVER
