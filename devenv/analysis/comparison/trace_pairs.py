"""Two traces side by side: their spans are paired by the path of service, operation and kind from the root."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from devenv.analysis.figures.self_time import self_time
from devenv.analysis.tree import SpanTree
from devenv.immutable import immutable
from devenv.model.span import Span, SpanKind, Value

Key = tuple[str, str, SpanKind]


@immutable()
class Side:
    """The spans of one trace at a path: how many, the sums of durations and of self times (ns), and the errors."""

    spans: int = 0
    total_ns: int = 0
    self_ns: int = 0
    errors: int = 0


@immutable()
class Difference:
    """An attribute of two single spans that differs; ``None`` if one does not have it."""

    key: str
    a: Value
    b: Value


@immutable(kw_only=True)
class Pair:
    """The spans of two traces at one path.

    Attributes:
        depth: 0 for the top.
        attributes: those that differ, if both sides have one span.
    """

    depth: int
    service: str
    operation: str
    kind: SpanKind
    a: Side
    b: Side
    attributes: tuple[Difference, ...] = ()

    @property
    def diff_ns(self) -> int:
        """How much longer A took, in nanoseconds."""
        return self.a.total_ns - self.b.total_ns

    @property
    def self_diff_ns(self) -> int:
        """How much longer A took in these spans themselves, in nanoseconds."""
        return self.a.self_ns - self.b.self_ns


def pair_traces(a: SpanTree, b: SpanTree) -> Iterator[Pair]:
    """Pairs in the order of a waterfall, each span in one of them; siblings of one path are one pair.

    Siblings are in the order of their first start, those of B alone after those of A. Takes linear time after sorting.
    """
    pending: list[tuple[int, Key, list[Span], list[Span]]] = []

    def expect(depth: int, spans_a: Sequence[Span], spans_b: Sequence[Span]) -> None:
        groups: dict[Key, tuple[list[Span], list[Span]]] = {}
        for side, spans in enumerate((spans_a, spans_b)):
            for span in spans:
                groups.setdefault((span.service, span.name, span.kind), ([], []))[side].append(span)
        pending.extend((depth, key, *sides) for key, sides in reversed(groups.items()))

    expect(0, a.tops, b.tops)
    while pending:
        depth, (service, operation, kind), of_a, of_b = pending.pop()
        single = len(of_a) == len(of_b) == 1
        yield Pair(
            depth=depth,
            service=service,
            operation=operation,
            kind=kind,
            a=_side(a, of_a),
            b=_side(b, of_b),
            attributes=tuple(_differences(of_a[0], of_b[0])) if single else (),
        )
        expect(depth + 1, _below(a, of_a), _below(b, of_b))


def main_pair(pairs: Sequence[Pair], diff_ns: int) -> int | None:
    """Position of the pair whose spans themselves explain most of a difference of the whole; ``None`` if none does."""
    sign = 1 if diff_ns >= 0 else -1
    best = max(range(len(pairs)), key=lambda number: pairs[number].self_diff_ns * sign, default=None)
    return best if best is not None and pairs[best].self_diff_ns * sign > 0 else None


def _below(tree: SpanTree, spans: Sequence[Span]) -> list[Span]:
    children = [child for span in spans for child in tree.below(span)]
    return sorted(children, key=lambda span: (span.start_ns, span.span_id)) if len(spans) > 1 else children


def _side(tree: SpanTree, spans: Sequence[Span]) -> Side:
    return Side(
        len(spans),
        sum(span.duration_ns for span in spans),
        sum(self_time(span, tree.below(span)) for span in spans),
        sum(span.is_error for span in spans),
    )


def _differences(a: Span, b: Span) -> Iterator[Difference]:
    for key in sorted({*a.attributes, *b.attributes}):
        if (one := a.attributes.get(key)) != (other := b.attributes.get(key)):
            yield Difference(key, one, other)
