"""Traces as they arrive: a line each."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from devenv.cli.control_characters import visible_in_cell
from devenv.cli.table import Styled, cell_len, ellipsis
from devenv.cli.views.marks import BAD, marks_of
from devenv.cli.views.marks import milliseconds as shown_duration
from devenv.cli.views.traces import NO_ROOT
from devenv.model.counts import plural
from devenv.model.span import NS_PER_MS

if TYPE_CHECKING:
    from devenv.cli.output import Output
    from devenv.traces.tail import Arrived

_BESIDE = 62
"""Columns of a line beside the entry: time, mark, duration, number of spans, ID, and the gaps."""

_ENTRY, _NARROW = 40, 10
"""Columns of the entry in a file or a pipe, and the fewest on a terminal."""


def show_arrived(arrived: Arrived, output: Output) -> None:
    """Time, mark of an error, entry, duration, number of spans, and ID of each trace, after what was left out."""
    if arrived.at_least:
        count = f"{arrived.skipped} or more" if arrived.skipped else "some"
        output.line(f"… skipped {count}: too many traces arrive; use --service or --where")
    elif arrived.skipped:
        output.line(f"… skipped {plural(arrived.skipped, 'trace')}")
    room = max((output.width or _BESIDE + _ENTRY) - _BESIDE, _NARROW)
    marks = marks_of(output)
    for row in arrived.traces:
        entry = ellipsis(visible_in_cell(row.title or NO_ROOT), room)
        mark = Styled(f"{marks.bad:<3}", BAD) if row.errors else "   "
        duration = shown_duration(row.duration_ns / NS_PER_MS, marks)
        output.line(
            f"{datetime.fromtimestamp(row.start_ns / 1e9, UTC).astimezone():%H:%M:%S} ",
            mark,
            f" {entry}{' ' * (room - cell_len(entry))} {duration:>8} {row.spans:>6} {row.trace_id}",
        )
    if arrived.traces:
        output.stdout.flush()
