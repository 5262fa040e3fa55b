"""Logging: adds the IDs of the trace to every log record, so that `devenv logs --trace ID` finds its lines."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from opentelemetry import trace

from devenv.tracing.active import state
from devenv.tracing.process.faults import fault
from devenv.tracing.process.patching import replace

_PLACE = "log records"
FIELDS = " trace_id=%(trace_id)s span_id=%(span_id)s"


class TraceFormatter(logging.Formatter):
    """Wraps a handler's formatter: adds the trace's IDs after each line of a trace."""

    def __init__(self, inner: logging.Formatter | None = None) -> None:
        super().__init__()
        self._inner = inner or logging.Formatter()

    def format(self, record: logging.LogRecord) -> str:
        """Format the line, and add the IDs if there are any and the line does not contain them."""
        line = self._inner.format(record)
        try:
            return _with_ids(line, record)
        except Exception as error:  # noqa: BLE001 - logged
            fault(_PLACE, error)
            return line


def _with_ids(line: str, record: logging.LogRecord) -> str:
    trace_id = getattr(record, "trace_id", "")
    if not trace_id or trace_id in line:
        return line
    first, newline, rest = line.partition("\n")
    return first + FIELDS % {"trace_id": trace_id, "span_id": getattr(record, "span_id", "")} + newline + rest


def instrument_lines() -> None:
    """Do the same as `instrument`, and add the IDs after each line of handlers that write plain text."""
    instrument()
    replace(logging.Handler, "format", _formatting)


def _formatting(original: Callable[..., str]) -> Callable[..., str]:
    def format_record(self: logging.Handler, record: logging.LogRecord) -> str:
        _wrap_formatter(self)
        return original(self, record)

    return format_record


def _wrap_formatter(handler: logging.Handler) -> None:
    try:
        formatter = handler.formatter
        if formatter is None or type(formatter) is logging.Formatter:
            handler.setFormatter(TraceFormatter(formatter))
    except Exception as error:  # noqa: BLE001 - logged
        fault(_PLACE, error)


def instrument() -> None:
    """Give every log record `trace_id`, `span_id`, `trace_sampled` and `service_name`; empty outside a trace."""
    factory = logging.getLogRecordFactory()
    if not getattr(factory, "_devenv_tracing", False):

        def make(*args: Any, **options: Any) -> logging.LogRecord:
            record = factory(*args, **options)
            _add_ids(record)
            return record

        make._devenv_tracing = True  # type: ignore[attr-defined] # noqa: SLF001 - our own mark
        logging.setLogRecordFactory(make)


def _add_ids(record: logging.LogRecord) -> None:
    record.trace_id = record.span_id = record.service_name = ""
    record.trace_sampled = False
    try:
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            record.trace_id = f"{context.trace_id:032x}"
            record.span_id = f"{context.span_id:016x}"
            record.trace_sampled = context.trace_flags.sampled
        record.service_name = state.tracing.service_name if state.tracing is not None else ""
    except Exception as error:  # noqa: BLE001 - logged
        fault(_PLACE, error)
