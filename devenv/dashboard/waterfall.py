"""The spans of a trace in the order and depth in which a waterfall shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from devenv.backend.store.decoding import DecodedTrace
from devenv.backend.store.scopes import Scope


@dataclass(frozen=True, slots=True)
class Row:
    """One span; ``orphan`` says that it names a parent which is not in the trace."""

    scope: Scope
    span: Any
    depth: int
    orphan: bool


def rows(trace: DecodedTrace) -> list[Row]:
    """Parents before children, siblings by start; every span exactly once, in a loop of parents too."""
    spans = sorted(trace.spans, key=lambda pair: pair[1].start)
    known = {span.span_id for _, span in spans}
    children: dict[bytes, list[int]] = {}
    roots = []
    for index, (_, span) in enumerate(spans):
        parent = span.parent_span_id
        if parent in known and parent != span.span_id:
            children.setdefault(parent, []).append(index)
        else:
            roots.append(index)
    ordered: list[Row] = []
    placed: set[int] = set()
    # Spans that are each other's parents hang on no root: they are taken up last, one of each loop as its head.
    for root in (*roots, *range(len(spans))):
        stack = [(root, 0)]
        while stack:
            index, depth = stack.pop()
            if index in placed:
                continue
            placed.add(index)
            scope, span = spans[index]
            orphan = any(span.parent_span_id) and span.parent_span_id not in known
            ordered.append(Row(scope, span, depth, orphan))
            stack += ((child, depth + 1) for child in reversed(children.get(span.span_id, ())))
    return ordered
