"""Marks, arrows and numbers of the analysis' tables, and their plain forms."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from devenv.cli.table import Styled
from devenv.cli.views.quantities import UNKNOWN
from devenv.drawing.words import counted
from devenv.immutable import immutable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from devenv.cli.output import Output
    from devenv.cli.table import Cell

_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92)
"""ANSI foreground colours that are legible on light and dark."""
BAD, WARN, GOOD = "31", "33", "32"


@immutable(kw_only=True)
class TerminalMarks:
    """What stands for a service, an error, a verdict and a call."""

    stripe: str = "▌"
    bad: str = "✘"
    good: str = "✔"
    warn: str = "!"
    calls: str = "─▶"
    lost: str = "┄▷"
    added: str = "+▶"
    more: str = "▲"
    less: str = "▼"
    becomes: str = "→"
    none: str = UNKNOWN


PLAIN = TerminalMarks(
    stripe="|", bad="ERR", good="OK", warn="WARN", calls="->", lost="..>", added="+>", more="^", less="v", becomes="->"
)


def marks_of(output: Output) -> TerminalMarks:
    """The marks that an output can show: plain ones with ``--plain``, ``NO_COLOR``, or without UTF-8."""
    encoding = (getattr(output.stdout, "encoding", None) or "utf-8").lower().replace("-", "")
    return PLAIN if output.style.plain or os.environ.get("NO_COLOR") or encoding != "utf8" else TerminalMarks()


def colours_of(names: Iterable[str]) -> dict[str, str]:
    """A colour for each service, by name: neighbours in the order of names differ."""
    return {name: str(_COLOURS[number % len(_COLOURS)]) for number, name in enumerate(sorted(set(names)))}


def share(part: float) -> str:
    """A share (0 to 1) in percent: ``0`` if there is none, ``< 0.1%`` if it is hardly one."""
    percent = abs(part) * 100
    if percent == 0:
        return "0"
    if percent < 0.05:
        return "< 0.1%"
    return f"{'-' if part < 0 else ''}{percent:.0f}%" if percent >= 10 else f"{part * 100:.1f}%"


def error_share(errors: int, calls: int, marks: TerminalMarks) -> Cell:
    """The share of calls that failed, with a mark if there is one."""
    return Styled(f"{share(errors / calls)} {marks.bad}", BAD) if errors else "0"


def milliseconds(value: float | None, marks: TerminalMarks) -> str:
    """A duration with three digits."""
    if value is None:
        return marks.none
    if value >= 1000:
        return f"{value / 1000:.3g} s" if value < 1e6 else f"{value / 1000:.0f} s"
    return f"{value:.3g} ms" if value >= 1 else f"{value * 1000:.3g} µs" if value else "0"


def show_looked_at(output: Output, traces: int, *, older_left_out: bool, missing: int) -> None:
    """How many traces were looked at, and which were not."""
    looked = f"{counted(traces, 'trace')} looked at"
    if older_left_out:
        looked += ", the newest ones; --limit sets how many"
    if missing:
        looked += f"; the trace backend does not have {counted(missing, 'trace')} of the run"
    output.line(f"{looked}.")


def right(cells: Iterable[Cell], title: str) -> list[Cell]:
    """The cells of a column, padded on the left to its width."""
    found = list(cells)
    width = max((len(_text(cell)) for cell in found), default=0)
    width = max(width, len(title))
    return [_padded(cell, width) for cell in found]


def _text(cell: Cell) -> str:
    return cell.text if isinstance(cell, Styled) else cell


def _padded(cell: Cell, width: int) -> Cell:
    text = _text(cell).rjust(width) if _text(cell) else ""
    return Styled(text, cell.style) if isinstance(cell, Styled) else text
