"""A trace's spans as a tree, for the waterfall, the critical path and the classes of traces.

docs/decisions/traces.md describes what becomes of orphans, cycles and span IDs that occur twice.
"""

from __future__ import annotations

from collections.abc import Iterator

from devenv.immutable import immutable
from devenv.model.span import Span
from devenv.model.trace import Mark, Trace

SKEW_NS = 1_000_000
"""A span that starts earlier than this before its parent is marked: clocks of some SDKs have a resolution of 1 ms."""


@immutable()
class SpanTree:
    """Parents and children. No span is lost: one that no root leads to is below an orphan or a cut cycle.

    Attributes:
        spans: all spans, in order of start.
        first: the first span of each span ID; if an ID occurs twice, the others have no children.
        children: by span ID, in order of start; IDs without children are left out.
        roots: spans without a parent, in order of start.
        orphans: spans whose parent is not in the trace, and the first span of each cycle of parents, in order of start.
        cycles: IDs of those orphans at which a cycle was cut.
    """

    spans: tuple[Span, ...]
    first: dict[str, Span]
    children: dict[str, tuple[Span, ...]]
    roots: tuple[Span, ...]
    orphans: tuple[Span, ...]
    cycles: frozenset[str]

    @property
    def tops(self) -> tuple[Span, ...]:
        """The spans at depth 0: the roots, then the orphans."""
        return self.roots + self.orphans

    def below(self, span: Span) -> tuple[Span, ...]:
        """Children of a span, in order of start."""
        return self.children.get(span.span_id, ()) if self.first[span.span_id] is span else ()

    def parent(self, span: Span) -> Span | None:
        """Parent of a span; ``None`` for a root, an orphan, and the span at which a cycle was cut."""
        if span.parent_id is None or self._is_cut(span):
            return None
        return self.first.get(span.parent_id)

    def marks(self, span: Span) -> tuple[Mark, ...]:
        """What is wrong with a span's place in the trace or with its times; usually nothing."""
        found: list[Mark] = []
        parent = self.parent(span)
        if parent is None and span.parent_id is not None:
            found.append("cycle" if self._is_cut(span) else "orphan")
        if self.first[span.span_id] is not span:
            found.append("duplicate")
        if parent is not None and span.start_ns < parent.start_ns - SKEW_NS:
            found.append("skew")
        if not span.start_ns:
            found.append("untimed")
        elif span.end_ns < span.start_ns:
            found.append("reversed")
        return tuple(found)

    def walk(self) -> Iterator[tuple[Span, int]]:
        """Every span once with its depth, parents before children, siblings in order of start."""
        stack = [(span, 0) for span in reversed(self.tops)]
        while stack:
            span, depth = stack.pop()
            yield span, depth
            stack.extend((child, depth + 1) for child in reversed(self.below(span)))

    def _is_cut(self, span: Span) -> bool:
        return span.span_id in self.cycles and self.first[span.span_id] is span


def build_tree(trace: Trace) -> SpanTree:
    """Arrange the spans of a trace, in linear time after sorting."""
    spans = tuple(sorted(trace.spans, key=lambda span: (span.start_ns, span.span_id)))
    first: dict[str, Span] = {}
    for span in spans:
        first.setdefault(span.span_id, span)
    cycles = _cuts(first)
    children: dict[str, list[Span]] = {}
    roots: list[Span] = []
    orphans: list[Span] = []
    for span in spans:
        if span.parent_id is None:
            roots.append(span)
        elif span.parent_id not in first or (span.span_id in cycles and first[span.span_id] is span):
            orphans.append(span)
        else:
            children.setdefault(span.parent_id, []).append(span)
    below = {key: tuple(value) for key, value in children.items()}
    return SpanTree(spans, first, below, tuple(roots), tuple(orphans), cycles)


def _cuts(first: dict[str, Span]) -> frozenset[str]:
    """The ID of the first span of each cycle of parents."""
    settled: set[str] = set()
    cuts: set[str] = set()
    position = {span_id: number for number, span_id in enumerate(first)}
    for start in first.values():
        path: dict[str, None] = {}
        current: Span | None = start
        while current is not None and current.span_id not in settled:
            if current.span_id in path:
                members = list(path)
                cycle = members[members.index(current.span_id) :]
                cuts.add(min(cycle, key=position.__getitem__))
                break
            path[current.span_id] = None
            current = first.get(current.parent_id) if current.parent_id else None
        settled.update(path)
    return frozenset(cuts)
