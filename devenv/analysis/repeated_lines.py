"""Log records that a service both prints and sends, found so that they are shown once."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from devenv.model.log import ServiceLine

WINDOW = 2.0
"""Seconds between a line and the record of it: a pipe is read later than a record is made."""


def once(printed: Sequence[ServiceLine], sent: Iterable[ServiceLine], *, whole: bool) -> list[ServiceLine]:
    """Return all lines, without the records that a printed line repeats.

    A line repeats a record if it is of the same service, contains the record's text, is not of another trace or span,
    and the two are at most ``WINDOW`` apart. The line remains, with the record's time and attributes, and its trace,
    span and severity if it has none itself. Each line repeats at most one record, the nearest one.

    Args:
        printed: lines of output.
        sent: log records and events.
        whole: whether a record of several lines remains instead of the line with its first one. The lines after it have
            no trace ID, so without it, the lines of one trace would lack them.
    """
    lines = list(printed)
    known = PrintedLines()
    for line in lines:
        known.add(line)
    left: list[ServiceLine] = []
    replaced: set[int] = set()
    for record in sent:
        number = known.repeating(record)
        if number is None:
            left.append(record)
        elif whole and record.text.partition("\n")[2]:
            left.append(replace(record, instance=lines[number].instance, repeated=True))
            replaced.add(number)
        else:
            lines[number] = _joined(lines[number], record)
    return [line for number, line in enumerate(lines) if number not in replaced] + left


class PrintedLines:
    """Lines of output, each of which repeats at most one log record."""

    def __init__(self) -> None:
        self._lines: list[ServiceLine] = []
        self._by_service: dict[str, _Lines] = {}
        self._used: set[int] = set()

    def __len__(self) -> int:
        return len(self._lines)

    def add(self, line: ServiceLine) -> None:
        """Add a line."""
        self._by_service.setdefault(line.service, _Lines()).add(len(self._lines), line)
        self._lines.append(line)

    def repeating(self, record: ServiceLine) -> int | None:
        """Return the number of the line that repeats ``record``, and use it up; ``None`` if none does."""
        first = record.text.partition("\n")[0]
        own = self._by_service.get(record.service)
        if not first or own is None:
            return None
        near = [
            number
            for number in own.near(record)
            if number not in self._used and _repeats(self._lines[number], record, first)
        ]
        if not near:
            return None
        found = min(near, key=lambda number: _apart(self._lines[number], record))
        self._used.add(found)
        return found


class _Lines:
    """The lines of one service by the time when they were read, and by their message in JSON."""

    def __init__(self) -> None:
        self._times: list[tuple[float, int]] = []
        self._messages: dict[str, list[int]] = {}
        self._sorted = True

    def add(self, number: int, line: ServiceLine) -> None:
        self._times.append((line.time, number))
        self._sorted = False
        if line.message is not None:
            self._messages.setdefault(line.message, []).append(number)

    def near(self, record: ServiceLine) -> Iterator[int]:
        """Numbers of the lines that were read at about the record's time, or that have its message."""
        if not self._sorted:
            self._times.sort()
            self._sorted = True
        for time, number in self._times[bisect_left(self._times, (record.time - WINDOW, -1)) :]:
            if time > record.time + WINDOW:
                break
            yield number
        yield from self._messages.get(record.text, ())


def _repeats(line: ServiceLine, record: ServiceLine, first: str) -> bool:
    if _apart(line, record) > WINDOW:
        return False
    if line.trace_id and record.trace_id and not record.trace_id.endswith(line.trace_id):
        return False
    if line.span_id and record.span_id and line.span_id != record.span_id:
        return False
    return first == line.message or first in line.text


def _apart(line: ServiceLine, record: ServiceLine) -> float:
    """Seconds between the two, by the line's own time if that is nearer: output may be read late."""
    read = abs(line.time - record.time)
    return read if line.logged is None else min(read, abs(line.logged - record.time))


def _joined(line: ServiceLine, record: ServiceLine) -> ServiceLine:
    return replace(
        line,
        trace_id=record.trace_id or line.trace_id,
        span_id=line.span_id or record.span_id,
        severity=line.severity or record.severity,
        attributes=record.attributes,
        logged=record.time,
        repeated=True,
    )
