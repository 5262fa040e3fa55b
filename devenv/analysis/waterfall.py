"""A trace as rows of a waterfall."""

from __future__ import annotations

from devenv.analysis.critical_path import critical_path
from devenv.analysis.tree import build_tree
from devenv.immutable import immutable
from devenv.model.span import Span
from devenv.model.trace import Mark, Trace


@immutable()
class Row:
    """One span in the waterfall.

    Attributes:
        depth: 0 for a root, an orphan, and the span at which a cycle of parents was cut.
        offset_ns: from the start of the trace's first span.
        path: the parts of the span's own time that are on the critical path, from and to, as ``offset_ns``.
        marks: what is wrong with the span's place in the trace or with its times.
    """

    span: Span
    depth: int
    offset_ns: int
    path: tuple[tuple[int, int], ...] = ()
    marks: tuple[Mark, ...] = ()

    @property
    def on_critical_path(self) -> bool:
        """Whether a part of the span's own time is on the critical path."""
        return bool(self.path)

    @property
    def orphan(self) -> bool:
        """Whether the span is at the top although it has a parent."""
        return "orphan" in self.marks or "cycle" in self.marks


@immutable(kw_only=True)
class Waterfall:
    """A trace as it is shown to people.

    Attributes:
        duration_ns: from the start of its first span to the end of its last one.
        services: see :attr:`Trace.services`.
        rows: see :func:`waterfall`.
        ui_url: address of the trace in the backend's UI.
    """

    trace_id: str
    duration_ns: int
    services: tuple[str, ...]
    rows: tuple[Row, ...]
    ui_url: str


def waterfall(trace: Trace) -> tuple[Row, ...]:
    """All spans, parents before children, siblings in order of start; orphans come after the roots."""
    tree = build_tree(trace)
    start_ns = trace.start_ns
    path: dict[int, list[tuple[int, int]]] = {}
    for segment in critical_path(tree):
        path.setdefault(id(segment.span), []).append((segment.start_ns - start_ns, segment.end_ns - start_ns))
    return tuple(
        Row(span, depth, span.start_ns - start_ns, tuple(path.get(id(span), ())), tree.marks(span))
        for span, depth in tree.walk()
    )
