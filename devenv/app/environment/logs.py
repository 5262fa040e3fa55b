"""``devenv logs``: service output and what services send about themselves, merged by time.

Output is what an engine has captured. The embedded trace backend has log records beside it, and each trace backend the
events of a trace's spans.
"""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import aclosing
from typing import TYPE_CHECKING

from devenv.analysis.log_lines import is_of_trace, said_in
from devenv.analysis.repeated_lines import once
from devenv.app.environment.lifecycle import require_service
from devenv.app.environment.log_lines.following import Following
from devenv.app.environment.log_lines.live_lines import LiveLines
from devenv.app.environment.log_lines.sent_feed import SentFeed
from devenv.app.environment.log_lines.sent_lines import SentQuery, sent_lines
from devenv.app.session import Running, running
from devenv.immutable import immutable
from devenv.model.log import ServiceLine
from devenv.model.severity import level_of, severity_number

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable

    from devenv.app.invocation import Invocation
    from devenv.contract.answers import LogLine
    from devenv.model.state import ObservedInstance

_WHOLE = re.compile(r"[0-9a-f]{32}|[0-9a-f]{16}")


@immutable(kw_only=True)
class LogOptions:
    """The lines to show.

    Attributes:
        since: seconds since the epoch.
        tail: number of lines from the end of each instance's output.
        grep: regular expression that the text must match.
        trace: trace ID that the line must contain, or a part of it; its log records and span events are shown, too.
        severity: the least number; lines whose severity is not known are not shown. 0: all.
    """

    services: tuple[str, ...] = ()
    follow: bool = False
    since: float | None = None
    tail: int | None = None
    grep: re.Pattern[str] | None = None
    trace: str | None = None
    severity: int = 0


async def logs(invocation: Invocation, options: LogOptions, warn: Callable[[str], None]) -> AsyncIterator[ServiceLine]:
    """Yield lines in order of time; with ``follow`` also those that arrive later, until cancelled.

    Args:
        invocation: the global options.
        options: which lines.
        warn: called with the reason if the trace backend cannot be read.

    Raises:
        NotUp: If the project is not running.
        UnknownName: If a service is not part of the running project.
    """
    async with running(invocation) as project:
        for name in options.services:
            require_service(project, name)
        chosen = [i for i in project.observed.instances if not options.services or i.service in options.services]
        if not options.follow:
            printed = await _printed(project, chosen, options)
            sent = await sent_lines(project, _sent_query(options, printed), warn)
            for line in _merged(printed, sent, options):
                if _wanted(line, options):
                    yield line
            return
        async with aclosing(_followed(project, chosen, options, warn)) as lines:
            async for line in lines:
                yield line


async def _followed(
    project: Running, chosen: list[ObservedInstance], options: LogOptions, warn: Callable[[str], None]
) -> AsyncGenerator[ServiceLine]:
    following = Following(project.engine, project.project, options.services, since=options.since, tail=options.tail)

    async def printed() -> AsyncIterator[ServiceLine]:
        async for instance, entry in following.lines(chosen):
            yield _told(instance, entry) if isinstance(entry, str) else _line(instance, entry)

    query = _sent_query(options, [])
    feed = SentFeed(project, query, warn)
    sent = await feed.begin()
    live = LiveLines(lambda line: _wanted(line, options), whole=options.trace is not None)
    async for line in live.merged(printed(), feed.batches(), lambda lines: _merged(lines, sent, options)):
        yield line


def _merged(printed: list[ServiceLine], sent: list[ServiceLine], options: LogOptions) -> list[ServiceLine]:
    of_trace = options.trace is not None
    merged = in_order(once(printed, sent, whole=of_trace), exact=of_trace)
    return merged if options.tail is None or of_trace else last_of_each(merged, options.tail)


def in_order(lines: Iterable[ServiceLine], *, exact: bool = False) -> list[ServiceLine]:
    """Sort lines by time; within one millisecond by service and instance, and those of one instance as they arrived.

    Finer times are those of reading the services' pipes, whose order has no meaning. With ``exact``, a line that was
    also sent as a log record has the record's time, so that it is in order with the other records.
    """

    def place(line: ServiceLine) -> tuple[int, str, int]:
        time = line.logged if exact and line.repeated and line.logged is not None else line.time
        return round(time * 1e6) // 1000, line.service, line.instance

    return sorted(lines, key=place)


def last_of_each(lines: list[ServiceLine], count: int) -> list[ServiceLine]:
    """The last lines of each instance: a record may be of a line that is before the captured ones."""
    left: dict[tuple[str, int], int] = {}
    kept = []
    for line in reversed(lines):
        place = (line.service, line.instance)
        left[place] = left.get(place, count) - 1
        if left[place] >= 0:
            kept.append(line)
    return kept[::-1]


def _wanted(line: ServiceLine, options: LogOptions) -> bool:
    if options.trace is not None and not is_of_trace(line.text, line.trace_id, options.trace.lower()):
        return False
    if options.severity and (line.severity is None or severity_number(line.severity) < _level(options.severity)):
        return False
    return options.grep is None or options.grep.search(line.text) is not None


def _level(severity: int) -> int:
    """The lowest number of a severity's level: lines have levels."""
    return severity_number(level_of(severity))


def _sent_query(options: LogOptions, printed: list[ServiceLine]) -> SentQuery:
    """What to ask the trace backend for: all traces, if only a part of an ID is known."""
    traces: tuple[str, ...] = ()
    if options.trace is not None:
        wanted = options.trace.lower()
        # A part of an ID becomes a whole one by the lines that have it.
        known = (line.trace_id for line in printed if line.trace_id is not None and line.trace_id.startswith(wanted))
        traces = (wanted,) if _WHOLE.fullmatch(wanted) else tuple(dict.fromkeys(known))
    return SentQuery(
        traces=traces, services=options.services, since=options.since, severity=options.severity, tail=options.tail
    )


def _line(instance: ObservedInstance, line: LogLine) -> ServiceLine:
    said = said_in(line.text)
    return ServiceLine(
        service=instance.service,
        instance=instance.index,
        time=line.time,
        stream=line.stream,
        text=line.text,
        trace_id=said.trace_id,
        span_id=said.span_id,
        severity=said.severity,
        message=said.message,
        logged=said.time,
    )


def _told(instance: ObservedInstance, text: str) -> ServiceLine:
    """What devenv itself says about an instance between its lines."""
    return ServiceLine(
        service=instance.service, instance=instance.index, time=time.time(), stream="devenv", text=text, trace_id=None
    )


async def _printed(project: Running, instances: list[ObservedInstance], options: LogOptions) -> list[ServiceLine]:
    """All captured lines, those of one instance as they arrived."""

    async def collect(instance: ObservedInstance) -> list[ServiceLine]:
        source = project.engine.logs(instance.id, since=options.since, tail=options.tail)
        return [_line(instance, line) async for line in source]

    found = await asyncio.gather(*(collect(instance) for instance in instances))
    return [line for lines in found for line in lines]
