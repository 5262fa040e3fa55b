"""Log records beside the traces: the one way to read them, whichever process they are in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Protocol, runtime_checkable

from devenv.immutable import immutable
from devenv.model.log import LogRecord
from devenv.model.span import SpanEvent
from devenv.traces.jaeger_text import as_text

LOGS_PATH = "/api/devenv/logs"
DEFAULT_LIMIT = 1000
MAX_LIMIT = 10_000


@immutable(kw_only=True)
class LogQuery:
    """Which log records; a record has to meet all criteria.

    Attributes:
        trace_id, span_id: hex digits; ``None``: any.
        services: names; empty: all.
        severity: the least number; records whose severity is not known do not meet it. 0: any.
        start_ns, end_ns: bounds of the time, the second one exclusive; ``None``: none.
        text: what the text of the body contains, in any case.
        attributes: as text, of the record, its scope or its resource.
        limit: maximum number of records, the newest ones.
        before: the position in :class:`LogSelection` before which the records are; empty: from the newest one.
        arrived_from, arrived_before: bounds of the number that each record got as it arrived, the second one exclusive;
            ``None``: none.
    """

    trace_id: str | None = None
    span_id: str | None = None
    services: tuple[str, ...] = ()
    severity: int = 0
    start_ns: int = 0
    end_ns: int | None = None
    text: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    limit: int = DEFAULT_LIMIT
    before: str = ""
    arrived_from: int = 0
    arrived_before: int | None = None


@immutable()
class LogSelection:
    """The result of a query.

    Attributes:
        records: oldest first.
        before: position of the first one if there are more, older ones; else empty.
        arrived: one more than the greatest number of a record that had arrived: where the next query continues.
    """

    records: list[LogRecord]
    before: str = ""
    arrived: int = 0


NO_LOGS = LogSelection([])


@runtime_checkable
class LogSource(Protocol):
    """Reads log records. Jaeger has none, so not every source of traces is one."""

    async def logs(self, query: LogQuery) -> LogSelection:
        """The newest log records that match."""
        ...


def text_of(record: LogRecord) -> str:
    """What a record says as one text: its body, or the name of its event."""
    return as_text(record.body) if record.body is not None else record.event_name


def event_text(event: SpanEvent) -> str:
    """What an event of a span says as one text: its name and its attributes; of an exception its type and message."""
    values = event.attributes
    if event.name == "exception":
        said = (as_text(values[key]) for key in ("exception.type", "exception.message") if key in values)
        return ": ".join([event.name, *said])
    return " ".join([event.name, *(f"{key}={as_text(value)}" for key, value in values.items())])
