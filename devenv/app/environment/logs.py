"""``devenv logs``: service output, merged by time, with the trace ID of each line."""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING

from devenv.app.environment.following import Following
from devenv.app.environment.lifecycle import require_service
from devenv.app.session import Running, running
from devenv.immutable import immutable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from devenv.app.invocation import Invocation
    from devenv.contract.answers import LogLine
    from devenv.model.state import ObservedInstance

_TRACE_ID = re.compile(r"(?i)trace[_-]?id\W{1,4}([0-9a-f]{32})\b|\b00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}\b")


@immutable(kw_only=True)
class LogOptions:
    """The lines to show.

    Attributes:
        since: seconds since the epoch.
        tail: number of lines from the end of each instance's output.
        grep: regular expression that the text must match.
        trace: trace ID that the line must contain.
    """

    services: tuple[str, ...] = ()
    follow: bool = False
    since: float | None = None
    tail: int | None = None
    grep: re.Pattern[str] | None = None
    trace: str | None = None


@immutable(kw_only=True)
class ServiceLine:
    """One line of one instance; ``trace_id`` is ``None`` if it contains none.

    ``stream`` is stdout, stderr, or devenv for a line that is not the service's.
    """

    service: str
    instance: int
    time: float
    stream: str
    text: str
    trace_id: str | None


async def logs(invocation: Invocation, options: LogOptions) -> AsyncIterator[ServiceLine]:
    """Yield lines in order of time; with ``follow`` as they arrive, until cancelled.

    Raises:
        NotUp: If the project is not running.
        UnknownName: If a service is not part of the running project.
    """
    async with running(invocation) as project:
        for name in options.services:
            require_service(project, name)
        chosen = [i for i in project.observed.instances if not options.services or i.service in options.services]
        if not options.follow:
            async for line in _merged(project, chosen, options):
                if _wanted(line, options):
                    yield line
            return
        following = Following(project.engine, project.project, options.services, since=options.since, tail=options.tail)
        async for instance, entry in following.lines(chosen):
            if isinstance(entry, str):
                yield _told(instance, entry)
            elif _wanted(found := _line(instance, entry), options):
                yield found


def trace_id_of(text: str) -> str | None:
    """The trace ID in a log line: after a key such as ``trace_id``, or in a ``traceparent``."""
    found = _TRACE_ID.search(text)
    return (found[1] or found[2]).lower() if found else None


def in_order(lines: Iterable[ServiceLine]) -> list[ServiceLine]:
    """Sort lines by time; within one millisecond by service and instance, and those of one instance as they arrived.

    Finer times are those of reading the services' pipes, whose order has no meaning.
    """
    return sorted(lines, key=lambda line: (round(line.time * 1e6) // 1000, line.service, line.instance))


def _wanted(line: ServiceLine, options: LogOptions) -> bool:
    if options.trace is not None and options.trace.lower() not in line.text.lower():
        return False
    return options.grep is None or options.grep.search(line.text) is not None


def _line(instance: ObservedInstance, line: LogLine) -> ServiceLine:
    return ServiceLine(
        service=instance.service,
        instance=instance.index,
        time=line.time,
        stream=line.stream,
        text=line.text,
        trace_id=trace_id_of(line.text),
    )


def _told(instance: ObservedInstance, text: str) -> ServiceLine:
    """What devenv itself says about an instance between its lines."""
    return ServiceLine(
        service=instance.service, instance=instance.index, time=time.time(), stream="devenv", text=text, trace_id=None
    )


async def _merged(
    project: Running, instances: list[ObservedInstance], options: LogOptions
) -> AsyncIterator[ServiceLine]:
    """All existing lines, by time."""

    async def collect(instance: ObservedInstance) -> list[ServiceLine]:
        source = project.engine.logs(instance.id, since=options.since, tail=options.tail)
        return [_line(instance, line) async for line in source]

    found = await asyncio.gather(*(collect(instance) for instance in instances))
    for line in in_order(line for lines in found for line in lines):
        yield line
