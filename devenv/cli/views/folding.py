"""Folds the rows of a large trace: the first of many alike are shown, the others counted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from devenv.analysis.waterfall import Row

ALIKE = 5
"""Children of one span with the same service and operation that are shown; the others are folded."""

ROWS = 2000
"""Rows that are shown at most; the spans after them are counted in the last one."""


@dataclass(slots=True)
class Fold:
    """One row that stands for several spans.

    Attributes:
        depth: of the spans.
        service, operation: of the spans; empty if they differ.
        spans: number of spans at this depth.
        below: number of spans below them.
        errors: how many of both have an error status.
        marks: how many of both are marked.
    """

    depth: int
    service: str = ""
    operation: str = ""
    spans: int = 0
    below: int = 0
    errors: int = 0
    marks: int = 0

    def count(self, row: Row, *, below: bool) -> None:
        """Count a span in."""
        if below:
            self.below += 1
        else:
            self.spans += 1
        self.errors += row.span.is_error
        self.marks += bool(row.marks)


@dataclass(slots=True)
class _Siblings:
    """The children of one span so far: how many of each kind, and the folds that follow the last of them."""

    shown: dict[tuple[str, str], int] = field(default_factory=dict)
    folds: dict[tuple[str, str], Fold] = field(default_factory=dict)


def folded(all_rows: Iterable[Row]) -> list[Row | Fold]:
    """Rows for the spans in the order of the waterfall, in linear time; each span is in a row or counted in one."""
    rows: list[Row | Fold] = []
    levels: list[_Siblings] = []
    hidden: Fold | None = None
    for row in all_rows:
        if hidden is not None and row.depth > hidden.depth:
            hidden.count(row, below=True)
            continue
        while len(levels) > row.depth + 1:
            rows.extend(levels.pop().folds.values())
        while len(levels) <= row.depth:
            levels.append(_Siblings())
        siblings, kind = levels[-1], (row.span.service, row.span.name)
        if siblings.shown.get(kind, 0) < ALIKE:
            siblings.shown[kind] = siblings.shown.get(kind, 0) + 1
            hidden = None
            rows.append(row)
            continue
        hidden = siblings.folds.setdefault(kind, Fold(row.depth, *kind))
        hidden.count(row, below=False)
    while levels:
        rows.extend(levels.pop().folds.values())
    return rows if len(rows) <= ROWS else [*rows[:ROWS], _sum(rows[ROWS:])]


def _sum(rows: list[Row | Fold]) -> Fold:
    total = Fold(0)
    for row in rows:
        if isinstance(row, Fold):
            total.spans += row.spans + row.below
            total.errors += row.errors
            total.marks += row.marks
        else:
            total.count(row, below=False)
    return total
