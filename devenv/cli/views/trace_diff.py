"""Two traces side by side, for people: one line for each pair."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.cli.table import Column, Styled
from devenv.cli.views.marks import BAD, GOOD, WARN, colours_of, marks_of, milliseconds, right
from devenv.drawing.words import counted, show_count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from devenv.cli.output import Output
    from devenv.cli.table import Cell
    from devenv.cli.views.marks import TerminalMarks
    from devenv.model.analysis.trace_diff_document import ComparedTracePart, PairPart, SidePart, TraceDiffDocument

TIMES = "\N{MULTIPLICATION SIGN}"
LEVELS = 12
"""Levels that are indented; deeper pairs are at the same column."""
ROWS = 500
"""Pairs that are shown; ``--json`` has all."""
NAMED = 3
"""Operations of one trace alone that the answer names."""
ALIKE = 0.05
"""Part of the longer duration below which a difference is not one to look at."""


def show_diff(document: TraceDiffDocument, output: Output) -> None:
    """Both traces, the answer, and one line for each pair."""
    marks = marks_of(output)
    output.line("A ", *_trace(document.a, marks))
    output.line("B ", *_trace(document.b, marks))
    output.line(_answer(document, marks))
    output.line()
    shown = document.pairs[:ROWS]
    colours = colours_of(pair.service for pair in document.pairs) if output.colour else {}
    names: list[Cell] = []
    for pair in shown:
        text = f"{'  ' * min(pair.depth, LEVELS)}{marks.stripe}{pair.service} {pair.operation}{_times(pair)}"
        names.append(Styled(text, colours[pair.service]) if pair.service in colours else text)
    figures = [
        right((_duration(pair.a, marks) for pair in shown), "A"),
        right((_duration(pair.b, marks) for pair in shown), "B"),
    ]
    columns = (
        Column(title="OPERATION", least=20),
        *(Column(title=title.rjust(_width(cells))) for title, cells in zip("AB", figures, strict=True)),
        Column(title="DIFFERENCE"),
        Column(title="ERRORS", drop=1),
    )
    rows = [
        (name, *cells, _difference(pair, marks), _errors(pair, marks))
        for pair, name, *cells in zip(shown, names, *figures, strict=True)
    ]
    output.table(columns, rows)
    if len(shown) < len(document.pairs):
        output.line(f"{counted(len(document.pairs) - len(shown), 'pair')} not shown; --json has all.")


def _trace(trace: ComparedTracePart, marks: TerminalMarks) -> Iterator[Cell]:
    spans = counted(trace.spans, "span")
    yield f"{trace.trace_id}  {trace.service} {trace.operation}  {milliseconds(trace.duration_ms, marks)}  {spans}  "
    yield Styled(f"{marks.bad} {counted(trace.errors, 'error')}", BAD) if trace.errors else Styled(marks.good, GOOD)


def _answer(document: TraceDiffDocument, marks: TerminalMarks) -> str:
    """How much longer one took, where, and what only one of them has."""
    diff = milliseconds(abs(document.diff_ms), marks)
    said = f"A takes {diff} {'longer' if document.diff_ms > 0 else 'less'}" if document.diff_ms else "Both take as long"
    if document.main is not None and document.diff_ms:
        main = document.pairs[document.main]
        said += f", of which {milliseconds(abs(main.self_diff_ms), marks)} in {main.service} {main.operation}"
    parts = [f"{said}."]
    for side, title in (("a", "A"), ("b", "B")):
        only = list(_only(document, side))
        if only:
            named = ", ".join(f"{_count(pair, side)}{pair.service} {pair.operation}" for pair in only[:NAMED])
            more = f" and {counted(len(only) - NAMED, 'more path')}" if len(only) > NAMED else ""
            parts.append(f"Only in {title}: {named}{more}.")
    return " ".join(parts)


def _only(document: TraceDiffDocument, side: str) -> Iterator[PairPart]:
    """The pairs that only one trace has, without those below them."""
    below: int | None = None
    other = "b" if side == "a" else "a"
    for pair in document.pairs:
        if below is not None and pair.depth > below:
            continue
        below = None
        if not _of(pair, other).spans:
            below = pair.depth
            yield pair


def _of(pair: PairPart, side: str) -> SidePart:
    return pair.a if side == "a" else pair.b


def _count(pair: PairPart, side: str) -> str:
    spans = _of(pair, side).spans
    return f"{show_count(spans)} {TIMES} " if spans > 1 else ""


def _times(pair: PairPart) -> str:
    if pair.a.spans <= 1 and pair.b.spans <= 1:
        return ""
    other = "" if pair.a.spans == pair.b.spans else f" / {pair.b.spans} {TIMES}"
    return f" {pair.a.spans} {TIMES}{other}"


def _duration(side: SidePart, marks: TerminalMarks) -> str:
    return milliseconds(side.total_ms, marks) if side.spans else marks.none


def _difference(pair: PairPart, marks: TerminalMarks) -> Cell:
    if not pair.b.spans:
        return Styled("only in A", WARN)
    if not pair.a.spans:
        return Styled("only in B", WARN)
    if abs(pair.diff_ms) <= ALIKE * max(pair.a.total_ms, pair.b.total_ms):
        return "="
    sign, arrow = ("+", marks.more) if pair.diff_ms > 0 else ("-", marks.less)
    return f"{arrow} {sign}{milliseconds(abs(pair.diff_ms), marks)}"


def _errors(pair: PairPart, marks: TerminalMarks) -> Cell:
    if not pair.a.errors and not pair.b.errors:
        return ""
    return Styled(f"{marks.bad} {pair.a.errors} / {pair.b.errors}", BAD)


def _width(cells: list[Cell]) -> int:
    return max((len(cell.text if isinstance(cell, Styled) else cell) for cell in cells), default=0)
