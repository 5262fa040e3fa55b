"""Tables of text that fit the width of the terminal: figures and IDs stay whole, names give way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.cli.control_characters import visible_in_cell
from devenv.immutable import immutable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

GAP = 2
TITLE = 3
"""Columns that a title keeps if its column is narrower than it."""


def cell_len(text: str) -> int:
    """Columns that a text takes on a terminal."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len as measured

    return measured(text)


def ellipsis(text: str, width: int) -> str:
    """Return the text cut to ``width`` columns of a terminal; the last is an ellipsis."""
    if cell_len(text) <= width:
        return text
    from rich.cells import set_cell_size

    return set_cell_size(text, max(width - 1, 0)) + "…"


@immutable()
class Styled:
    """Text in an SGR style, such as ``1;31``; it is shown without it if there are no colours."""

    text: str
    style: str


Cell = str | Styled


@immutable(kw_only=True)
class Column:
    """One column of a table.

    Attributes:
        least: the width down to which it is cut; ``None`` if it stays whole.
        drop: rank in which the column is left out if the table is still too wide; ``None`` if it never is.
        below: left out, its cells are put on separate lines below their rows.
    """

    title: str
    least: int | None = None
    drop: int | None = None
    below: bool = False


def table_lines(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], width: int | None) -> list[list[Cell]]:
    """Lines of a table, each as the cells to be written one after the other.

    Args:
        columns: columns that can be cut give way from the last to the first.
        rows: a cell for each column.
        width: of the terminal; ``None`` if it does not matter.
    """
    shown = [[_clean(cell) for cell in row] for row in rows]
    body = [max((_length(row[number]) for row in shown), default=0) for number in range(len(columns))]
    widths, gap = _fitting(columns, body, width)
    titles: list[Cell] = [Styled(ellipsis(columns[number].title, size), "1") for number, size in widths.items()]
    lines = [_padded(titles, list(widths.values()), gap)]
    for row in shown:
        fitted = [_fitted(row[number], columns[number], size) for number, size in widths.items()]
        lines += [_padded(fitted, list(widths.values()), gap)] if any(map(_text, fitted)) else []
        lines += [["  ", cell] for n, cell in enumerate(row) if n not in widths and columns[n].below and _text(cell)]
    return lines


def _fitting(columns: Sequence[Column], body: Sequence[int], width: int | None) -> tuple[dict[int, int], int]:
    """The widths of the columns that are shown, by number, and the gap between them.

    Columns are left out until the others fit as narrow as they get; then these are cut as far as they have to be. If
    the columns that are never left out do not fit, the gaps get narrow and their titles are cut.
    """
    kept = {number: max(body[number], len(column.title)) for number, column in enumerate(columns)}
    if width is None:
        return kept, GAP
    floors = {number: _least(columns[number], kept[number]) for number in kept}
    droppable = [number for number in kept if columns[number].drop is not None]
    for number in sorted(droppable, key=lambda each: columns[each].drop or 0):
        if _total(floors.values(), GAP) <= width:
            break
        del kept[number], floors[number]
    gap = GAP
    if _total(floors.values(), GAP) > width:  # the last resort
        gap = 1
        floors.update({number: _least(columns[number], max(body[number], TITLE)) for number in kept})
    over = _total(kept.values(), gap) - width
    cuttable = [number for number in reversed(kept) if columns[number].least is not None]
    for number in [*cuttable, *(each for each in kept if each not in cuttable)]:
        taken = max(min(over, kept[number] - floors[number]), 0)
        kept[number] -= taken
        over -= taken
    return kept, gap


def _least(column: Column, whole: int) -> int:
    """The width down to which a column is cut."""
    return whole if column.least is None else min(whole, column.least)


def _total(widths: Iterable[int], gap: int) -> int:
    found = list(widths)
    return sum(found) + gap * (len(found) - 1)


def _clean(cell: Cell) -> Cell:
    if isinstance(cell, Styled):
        return Styled(visible_in_cell(cell.text), cell.style)
    return visible_in_cell(cell)


def _text(cell: Cell) -> str:
    return cell.text if isinstance(cell, Styled) else cell


def _length(cell: Cell) -> int:
    return cell_len(_text(cell))


def _fitted(cell: Cell, column: Column, width: int) -> Cell:
    if _length(cell) <= width or column.least is None:
        return cell
    text = ellipsis(_text(cell), width)
    return Styled(text, cell.style) if isinstance(cell, Styled) else text


def _padded(line: list[Cell], widths: Sequence[int], gap: int) -> list[Cell]:
    """The cells with the spaces between them; none at the end of the line."""
    found: list[Cell] = []
    space = ""
    for cell, width in zip(line, widths, strict=True):
        if _text(cell):
            found += [space, cell] if space else [cell]
            space = ""
        space += " " * (width - _length(cell) + gap)
    return found
