"""A trace's spans as a tree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from devenv.model.span import Span
from devenv.model.trace import Trace


@dataclass(frozen=True, slots=True)
class SpanTree:
    """Parents and children; nothing is lost: whatever cannot be reached from a root hangs on an orphan.

    Attributes:
        spans: by span id.
        children: of each span id, in order of start; ids without children are left out.
        roots: spans without a parent, in order of start.
        orphans: spans whose parent is not in the trace, and one of each circle of parents, in order of start.
    """

    spans: dict[str, Span]
    children: dict[str, tuple[Span, ...]]
    roots: tuple[Span, ...]
    orphans: tuple[Span, ...]

    @property
    def tops(self) -> tuple[Span, ...]:
        """Where a walk begins: the roots, then the orphans."""
        return self.roots + self.orphans

    def walk(self) -> Iterator[tuple[Span, int]]:
        """Every span once with its depth, parents before children, siblings in order of start."""
        stack = [(span, 0) for span in reversed(self.tops)]
        while stack:
            span, depth = stack.pop()
            yield span, depth
            stack.extend((child, depth + 1) for child in reversed(self.children.get(span.span_id, ())))


def build_tree(trace: Trace) -> SpanTree:
    """Arrange the spans of a trace."""
    spans = {span.span_id: span for span in trace.spans}
    ordered = sorted(trace.spans, key=lambda span: (span.start_ns, span.span_id))
    broken = _one_of_each_circle(ordered, spans)
    children: dict[str, list[Span]] = {}
    roots: list[Span] = []
    orphans: list[Span] = []
    for span in ordered:
        if span.parent_id is None:
            roots.append(span)
        elif span.parent_id not in spans or span.span_id in broken:
            orphans.append(span)
        else:
            children.setdefault(span.parent_id, []).append(span)
    return SpanTree(spans, {key: tuple(value) for key, value in children.items()}, tuple(roots), tuple(orphans))


def _one_of_each_circle(ordered: list[Span], spans: dict[str, Span]) -> set[str]:
    """Ids at which circles of parents are cut: that of the span by which the circle was entered."""
    settled: set[str] = set()
    cut: set[str] = set()
    for start in ordered:
        path: dict[str, None] = {}
        current: Span | None = start
        while current is not None and current.span_id not in settled:
            if current.span_id in path:
                cut.add(current.span_id)
                break
            path[current.span_id] = None
            current = spans.get(current.parent_id) if current.parent_id else None
        settled.update(path)
    return cut
