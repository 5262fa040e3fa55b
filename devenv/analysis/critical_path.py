"""The critical path of a trace: the spans that determine its duration.

The path is computed backwards from the end. Within a span, the child that ended last before the current instant is on
the path, and the time between its end and that instant is the span's own. The computation continues inside the child,
then before the child's start.
"""

from __future__ import annotations

from devenv.analysis.tree import SpanTree
from devenv.immutable import immutable
from devenv.model.span import Span


@immutable()
class Segment:
    """A part of the critical path spent in one span itself; nanoseconds since the epoch, ``start_ns < end_ns``."""

    span: Span
    start_ns: int
    end_ns: int

    @property
    def span_id(self) -> str:
        """ID of the span."""
        return self.span.span_id

    @property
    def duration_ns(self) -> int:
        """Duration in nanoseconds."""
        return self.end_ns - self.start_ns


def critical_path(tree: SpanTree) -> tuple[Segment, ...]:
    """Segments in order of time, without gaps or overlaps, from the start to the end of the first root.

    If the root did not arrive: of the first orphan. Children are clipped to their parent: work that continues after
    the parent's end, such as a queue consumer's, did not delay it.
    """
    if not tree.tops:
        return ()
    found: list[Segment] = []
    top = tree.tops[0]
    visits = [(top, top.start_ns, top.end_ns)]
    while visits:
        span, start_ns, cursor = visits.pop()
        for child, child_start, child_end in _last_ended_first(tree, span, start_ns, cursor):
            if child_end <= cursor:
                found.append(Segment(span, child_end, cursor))
                visits.append((child, child_start, child_end))
                cursor = child_start
        found.append(Segment(span, start_ns, cursor))
    return tuple(sorted((item for item in found if item.duration_ns > 0), key=lambda item: item.start_ns))


def _last_ended_first(tree: SpanTree, span: Span, start_ns: int, end_ns: int) -> list[tuple[Span, int, int]]:
    """Children with their times clipped to ``start_ns``..``end_ns``; those outside are left out."""
    clipped = [(child, max(child.start_ns, start_ns), min(child.end_ns, end_ns)) for child in tree.below(span)]
    inside = [item for item in clipped if item[1] < item[2]]
    return sorted(inside, key=lambda item: (item[2], item[1]), reverse=True)
