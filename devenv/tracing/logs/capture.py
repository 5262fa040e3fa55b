"""Takes the records of Python's `logging` to the exporter, with the trace in which each was made.

It stands where a logger hands a record to its handlers, and is not a handler itself: a program that configures its
logging later would remove one, and loggers that do not propagate would pass it by.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Protocol

from opentelemetry import trace

from devenv.tracing.light.exceptions import exception_attributes
from devenv.tracing.light.values import as_text
from devenv.tracing.logs.encoding import LogItem
from devenv.tracing.process.faults import fault
from devenv.tracing.process.patching import replace

_PLACE = "log export"
_OWN = "devenv.tracing"
_KNOWN = frozenset(vars(logging.makeLogRecord({}))) | {
    "message", "asctime", "taskName", "color_message",
    "trace_id", "span_id", "trace_sampled", "service_name",
}  # fmt: skip
_SEVERITIES = {1: 5, 2: 9, 3: 13, 4: 17, 5: 21}


class Sink(Protocol):
    """The exporter, as far as it is used here."""

    def offer(self, item: Any) -> None:
        """Queue an item; never blocks."""


class _Capture:
    sink: Sink | None = None
    most_attributes = 128


_capture = _Capture()


def capture_into(sink: Sink, most_attributes: int) -> None:
    """Give each log record to the exporter from now on.

    Args:
        sink: The exporter.
        most_attributes: Maximum number of attributes of a record; more are counted.
    """
    _capture.sink, _capture.most_attributes = sink, most_attributes
    replace(logging.Logger, "callHandlers", _calling)


def stop_capture(sink: Sink) -> None:
    """Give no more records to this exporter."""
    if _capture.sink is sink:
        _capture.sink = None


def _calling(original: Callable[..., None]) -> Callable[..., None]:
    def call_handlers(self: logging.Logger, record: logging.LogRecord) -> None:
        sink = _capture.sink
        if sink is not None:
            try:
                # The library's own records are about the export; they would follow themselves.
                if not record.name.startswith(_OWN):
                    sink.offer(_item(record, _capture.most_attributes))
            except Exception as error:  # noqa: BLE001 - logged
                fault(_PLACE, error)
        original(self, record)

    return call_handlers


def _item(record: logging.LogRecord, most: int) -> LogItem:
    context = trace.get_current_span().get_span_context()
    attributes = _attributes(record)
    dropped = max(0, len(attributes) - most)
    if dropped:
        attributes = dict(list(attributes.items())[:most])
    valid = context.is_valid
    return LogItem(
        _scope(as_text(record.name)),
        int(record.created * 1_000_000_000),
        severity(record.levelno),
        as_text(record.levelname),
        _message(record),
        attributes,
        dropped,
        f"{context.trace_id:032x}" if valid else "",
        f"{context.span_id:016x}" if valid else "",
        int(context.trace_flags) if valid else 0,
    )


@lru_cache(maxsize=1024)
def _scope(name: str) -> tuple[Any, ...]:
    return (name, "", "", {})


def severity(level: int) -> int:
    """Return OpenTelemetry's severity number of a level of `logging`; levels in between count upwards.

    Source: https://opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber.
    """
    if level < logging.DEBUG:
        return 1 if level > 0 else 0
    tens = min(level // 10, 5)
    return _SEVERITIES[tens] + min(level - tens * 10, 3)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - wrong arguments; the record's own handlers report them
        return as_text(record.msg)


def _attributes(record: logging.LogRecord) -> dict[str, Any]:
    """Return what semantic conventions name (code, exception), and what the program added by `extra`."""
    found: dict[str, Any] = {
        "code.file.path": record.pathname,
        "code.function.name": record.funcName,
        "code.line.number": record.lineno,
    }
    error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
    if error is not None:
        found.update(exception_attributes(error))
    for name, value in vars(record).items():
        if name not in _KNOWN:
            found[as_text(name)] = value if isinstance(value, (str, bool, int, float)) else as_text(value)
    return found
