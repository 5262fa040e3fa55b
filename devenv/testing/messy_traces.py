"""Traces as faulty services send them, each with the way in which it has to be shown.

Command line, pages and JSON documents are tested with the same set, on every trace backend. docs/decisions/traces.md
has the reasons.
"""

from __future__ import annotations

from dataclasses import dataclass

from devenv.model.span import Span, SpanKind, Status
from devenv.model.trace import Mark
from devenv.testing.spans import SpanBuilder

DEEP, WIDE = 10_000, 3_000

Place = tuple[str, int, tuple[Mark, ...]]
"""A span in the waterfall: its name, its depth, and what is wrong with its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessyTrace:
    """A trace and how it is shown.

    Attributes:
        spans: in the order of sending; not empty.
        rows: the waterfall.
        root: name of the root span in summaries, empty if there is none.
        orphans: spans whose parent is not in the trace, as summaries count them.
        errors: spans with an error status.
    """

    spans: tuple[Span, ...]
    rows: tuple[Place, ...]
    root: str = "root"
    orphans: int = 0
    errors: int = 0

    @property
    def trace_id(self) -> str:
        """ID of the trace."""
        return self.spans[0].trace_id


def messy_trace(name: str, start_ns: int, prefix: str = "") -> MessyTrace:
    """One of :data:`MESSY_TRACES`, with a span of the service ``web``; other arguments as in :class:`SpanBuilder`."""
    return _BUILDERS[name](SpanBuilder(start_ns, prefix))


def _orphans(make: SpanBuilder) -> MessyTrace:
    spans = (
        make.span("root", 1, took=50),
        make.span("late orphan", 4, 98, at=30, service="user"),
        make.span("orphan", 2, 99, at=10, service="auth"),
        make.span("below", 3, 2, at=12, service="auth"),
    )
    rows: tuple[Place, ...] = (
        ("root", 0, ()),
        ("orphan", 0, ("orphan",)),
        ("below", 1, ()),
        ("late orphan", 0, ("orphan",)),
    )
    return MessyTrace(spans=spans, rows=rows, orphans=2)


def _no_root(make: SpanBuilder) -> MessyTrace:
    spans = (make.span("child", 3, 2, at=3), make.span("top", 2, 1))
    return MessyTrace(spans=spans, rows=(("top", 0, ("orphan",)), ("child", 1, ())), root="", orphans=1)


def _several_roots(make: SpanBuilder) -> MessyTrace:
    spans = (
        make.span("second root", 2, at=20, service="auth"),
        make.span("below second", 4, 2, at=21, service="auth"),
        make.span("root", 1),
        make.span("below root", 3, 1, at=5),
    )
    rows: tuple[Place, ...] = (("root", 0, ()), ("below root", 1, ()), ("second root", 0, ()), ("below second", 1, ()))
    return MessyTrace(spans=spans, rows=rows)


def _later_root(make: SpanBuilder) -> MessyTrace:
    """The root begins after an orphan and a span that is its own parent."""
    spans = (
        make.span("orphan", 2, 99),
        make.span("own parent", 3, 3, at=5),
        make.span("root", 1, at=20),
        make.span("child", 4, 1, at=22),
    )
    rows: tuple[Place, ...] = (
        ("root", 0, ()),
        ("child", 1, ()),
        ("orphan", 0, ("orphan",)),
        ("own parent", 0, ("cycle",)),
    )
    return MessyTrace(spans=spans, rows=rows, orphans=1)


def _cycle(make: SpanBuilder) -> MessyTrace:
    """Three spans are each other's ancestors; a child of the last of them starts before all three."""
    spans = (
        make.span("root", 1),
        make.span("b", 3, 2, at=4),
        make.span("c", 4, 3, at=6),
        make.span("a", 2, 4, at=3),
        make.span("early child", 5, 4, at=2),
        make.span("child", 6, 1, at=1),
    )
    rows: tuple[Place, ...] = (
        ("root", 0, ()),
        ("child", 1, ()),
        ("a", 0, ("cycle",)),
        ("b", 1, ()),
        ("c", 2, ()),
        ("early child", 3, ("skew",)),
    )
    return MessyTrace(spans=spans, rows=rows)


def _own_parent(make: SpanBuilder) -> MessyTrace:
    spans = (make.span("own parent", 1, 1), make.span("child", 2, 1, at=2))
    return MessyTrace(spans=spans, rows=(("own parent", 0, ("cycle",)), ("child", 1, ())), root="")


def _one_id_twice(make: SpanBuilder) -> MessyTrace:
    """A client and a server span share an ID, as Zipkin's do."""
    spans = (
        make.span("root", 1, took=50),
        make.span("client", 2, 1, at=5, took=30, kind=SpanKind.CLIENT),
        make.span("server", 2, 1, at=8, took=20, service="auth", kind=SpanKind.SERVER, status=Status.ERROR),
        make.span("work", 3, 2, at=9, service="auth"),
    )
    rows: tuple[Place, ...] = (("root", 0, ()), ("client", 1, ()), ("work", 2, ()), ("server", 1, ("duplicate",)))
    return MessyTrace(spans=spans, rows=rows, errors=1)


def _copies(make: SpanBuilder) -> MessyTrace:
    """An exporter that timed out sends its batch again."""
    root, child = make.span("root", 1), make.span("child", 2, 1, at=1)
    return MessyTrace(spans=(root, child, root, child), rows=(("root", 0, ()), ("child", 1, ())))


def _skewed(make: SpanBuilder) -> MessyTrace:
    """The clock of auth is 100 ms behind; a consumer works after its producer has ended, which is not a fault."""
    spans = (
        make.span("root", 1, took=50),
        make.span("call", 2, 1, at=10, took=30, kind=SpanKind.CLIENT),
        make.span("behind", 3, 2, at=-80, took=20, service="auth", kind=SpanKind.SERVER),
        make.span("consumer", 4, 1, at=500, service="user", kind=SpanKind.CONSUMER),
    )
    rows: tuple[Place, ...] = (("root", 0, ()), ("call", 1, ()), ("behind", 2, ("skew",)), ("consumer", 1, ()))
    return MessyTrace(spans=spans, rows=rows)


def _deep(make: SpanBuilder) -> MessyTrace:
    names = ["root", *["level"] * (DEEP - 1)]
    spans = tuple(make.span(name, number, number - 1 or None) for number, name in enumerate(names, 1))
    rows = tuple((span.name, depth, ()) for depth, span in enumerate(spans))
    return MessyTrace(spans=spans[::-1], rows=rows)


def _wide(make: SpanBuilder) -> MessyTrace:
    root = make.span("root", 1, took=WIDE)
    children = tuple(make.span(f"child {number}", number, 1, at=number) for number in range(2, WIDE + 1))
    rows: tuple[Place, ...] = (("root", 0, ()), *((span.name, 1, ()) for span in children))
    return MessyTrace(spans=(*children[::-1], root), rows=rows)


_BUILDERS = {
    "orphans": _orphans,
    "no root": _no_root,
    "several roots": _several_roots,
    "later root": _later_root,
    "cycle": _cycle,
    "own parent": _own_parent,
    "one ID twice": _one_id_twice,
    "copies": _copies,
    "skewed clocks": _skewed,
    "deep": _deep,
    "wide": _wide,
}

MESSY_TRACES = tuple(_BUILDERS)
"""Names of all messy traces."""
