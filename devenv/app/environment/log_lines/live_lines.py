"""Lines of output and log records as they arrive, each of them once.

A service often prints a record and sends it, too. The line arrives first, because records are sent in batches, so a
record waits a moment for a line that repeats it, and is then left out.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from devenv.analysis.repeated_lines import PrintedLines
from devenv.model.log import ServiceLine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    Arrival = ServiceLine | Sequence[ServiceLine] | Exception | None

HOLD_SECONDS = 0.3
"""Seconds that a record waits for its line: longer than output takes to be read."""

REMEMBERED = 5000
"""Lines, at least, that a record is compared with; exporters send within seconds."""

SETTLE_SECONDS = 0.15
"""Seconds without a line after which all earlier output has been read."""

_MOST_SETTLE_SECONDS = 1.0
_QUEUE = 1000


class LiveLines:
    """Merges two sources; what is not wanted is neither yielded nor remembered.

    Args:
        wanted: whether to show a line.
        whole: whether the rest of a record of several lines is shown although its first line was: that of one trace,
            because the lines after the first one have no trace ID.
    """

    def __init__(self, wanted: Callable[[ServiceLine], bool], *, whole: bool) -> None:
        self._wanted = wanted
        self._whole = whole
        self._older = PrintedLines()
        self._newer = PrintedLines()

    async def merged(
        self,
        printed: AsyncIterator[ServiceLine],
        sent: AsyncIterator[Sequence[ServiceLine]] | None,
        earlier: Callable[[list[ServiceLine]], list[ServiceLine]],
    ) -> AsyncIterator[ServiceLine]:
        """Yield wanted lines and records, until ``printed`` ends.

        Args:
            printed: lines of output, earlier ones first; its exceptions are raised here.
            sent: log records, as often as some have arrived.
            earlier: merges the earlier lines of output with the records that had arrived before ``sent``.
        """
        arrivals: asyncio.Queue[Arrival] = asyncio.Queue(_QUEUE)
        tasks = [asyncio.create_task(_take_lines(printed, arrivals))]
        if sent is not None:
            tasks.append(asyncio.create_task(_take_records(sent, arrivals)))
        try:
            lines, arrival = await _settled(arrivals)
            for line in earlier(lines):
                if self._shows(line):
                    yield line
            while arrival is not None:
                for line in self._shown(arrival):
                    yield line
                arrival = await arrivals.get()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _shown(self, arrival: Arrival) -> Iterator[ServiceLine]:
        if isinstance(arrival, Exception):
            raise arrival
        if isinstance(arrival, ServiceLine):
            if self._shows(arrival):
                yield arrival
            return
        for record in arrival or ():
            remaining = self._without_printed(record)
            if remaining is not None and self._wanted(remaining):
                yield remaining

    def _shows(self, line: ServiceLine) -> bool:
        """Whether to show a line; a record that it repeats is then not shown later."""
        if line.stream == "devenv":
            return True
        if not self._wanted(line):
            return False
        if line.stream in {"stdout", "stderr"} and not line.repeated:
            if len(self._newer) >= REMEMBERED:
                self._older, self._newer = self._newer, PrintedLines()
            self._newer.add(line)
        return True

    def _without_printed(self, record: ServiceLine) -> ServiceLine | None:
        """What of a record has not been shown."""
        if self._newer.repeating(record) is None and self._older.repeating(record) is None:
            return record
        rest = record.text.partition("\n")[2]
        return replace(record, text=rest, repeated=True) if rest and self._whole else None


async def _take_lines(source: AsyncIterator[ServiceLine], arrivals: asyncio.Queue[Arrival]) -> None:
    try:
        async for line in source:
            await arrivals.put(line)
    except Exception as error:  # noqa: BLE001 - the reader raises it
        await arrivals.put(error)
    else:
        await arrivals.put(None)


async def _take_records(source: AsyncIterator[Sequence[ServiceLine]], arrivals: asyncio.Queue[Arrival]) -> None:
    try:
        async for records in source:
            await asyncio.sleep(HOLD_SECONDS)
            await arrivals.put(records)
    except Exception as error:  # noqa: BLE001 - the reader raises it
        await arrivals.put(error)


async def _settled(arrivals: asyncio.Queue[Arrival]) -> tuple[list[ServiceLine], Arrival]:
    """The lines until there is a pause, and what has arrived instead of the next one, or no records."""
    loop = asyncio.get_running_loop()
    begun = time.time()
    deadline = loop.time() + _MOST_SETTLE_SECONDS
    lines: list[ServiceLine] = []
    while (now := loop.time()) < deadline:
        try:
            async with asyncio.timeout_at(min(now + SETTLE_SECONDS, deadline)):
                arrival = await arrivals.get()
        except TimeoutError:
            break
        if not isinstance(arrival, ServiceLine):
            return lines, arrival
        lines.append(arrival)
        if arrival.time >= begun:  # a service that never pauses
            deadline = min(deadline, now + SETTLE_SECONDS)
    return lines, ()
