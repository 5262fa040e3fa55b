"""A trace as rows of a waterfall."""

from __future__ import annotations

from dataclasses import dataclass

from devenv.analysis.critical_path import critical_path
from devenv.analysis.tree import build_tree
from devenv.model.span import Span
from devenv.model.trace import Trace


@dataclass(frozen=True, slots=True)
class Row:
    """One span in the waterfall.

    Attributes:
        depth: 0 for a root or an orphan.
        offset_ns: from the start of the trace's first span.
        on_critical_path: some of its own time is on the critical path.
        orphan: its parent is not in the trace.
    """

    span: Span
    depth: int
    offset_ns: int
    on_critical_path: bool
    orphan: bool = False


def waterfall(trace: Trace) -> tuple[Row, ...]:
    """All spans, parents before children, siblings in order of start; orphans come after the roots."""
    tree = build_tree(trace)
    critical = {segment.span_id for segment in critical_path(tree)}
    orphans = {span.span_id for span in tree.orphans}
    return tuple(
        Row(span, depth, span.start_ns - trace.start_ns, span.span_id in critical, span.span_id in orphans)
        for span, depth in tree.walk()
    )
