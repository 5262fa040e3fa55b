"""One JSON object per line on stdout, with trace ID, span ID and request ID."""

from __future__ import annotations

import asyncio
import atexit
import json
import logging
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from time import time
from typing import TextIO

from devenv import tracing

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")

_DELAY_S = 0.05


class JsonLines(logging.Handler):
    """Writes log records, and the lines of requests, which are not log records, as JSON.

    On an event loop, lines below the level of a warning wait up to 50 ms, so that one write serves many lines: a write
    costs more than all the rest of a line.

    Args:
        service: name of the service, which is in each line.
        stream: stream to write to.
    """

    def __init__(self, service: str, stream: TextIO) -> None:
        super().__init__()
        self._service = service
        self._stream = stream
        self._waiting: list[str] = []
        self._flush_is_due = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; ``extra={"fields": {…}}`` adds fields."""
        fields: dict[str, object] = dict(getattr(record, "fields", ()))
        if record.exc_info:
            fields["exception"] = logging.Formatter().formatException(record.exc_info)
        self._add(self._line(record.created, record.levelname.lower(), record.getMessage(), fields))
        if record.levelno >= logging.WARNING:
            self.flush()

    def request(self, method: str, path: str, status: int, elapsed_ms: float) -> None:
        """Write the line of a request: method and ids are plain text, so that only the path has to be encoded."""
        self._add(
            f'{{"time": "{_timestamp(time())}", "level": "info", "service": "{self._service}", "message": "request", '
            f'"method": "{method}", "path": {json.dumps(path)}, "status": {status}, "ms": {elapsed_ms:.2f}, '
            f'"request_id": "{REQUEST_ID.get()}"{_trace_ids()}}}\n'
        )

    def flush(self) -> None:
        """Write the waiting lines."""
        self.acquire()
        try:
            self._flush_is_due = False
            lines, self._waiting = self._waiting, []
            if lines:
                self._stream.write("".join(lines))
                self._stream.flush()
        finally:
            self.release()

    def _add(self, line: str) -> None:
        self.acquire()
        try:
            self._waiting.append(line)
            if self._flush_is_due:
                return
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                self.flush()
                return
            self._flush_is_due = True
            loop.call_later(_DELAY_S, self.flush)
        finally:
            self.release()

    def _line(self, created: float, level: str, message: str, fields: Mapping[str, object]) -> str:
        line = {"time": _timestamp(created), "level": level, "service": self._service, "message": message, **fields}
        if request_id := REQUEST_ID.get():
            line["request_id"] = request_id
        return f"{json.dumps(line)[:-1]}{_trace_ids()}}}\n"


def _timestamp(created: float) -> str:
    return datetime.fromtimestamp(created, UTC).isoformat(timespec="milliseconds")


def _trace_ids() -> str:
    trace_id, span_id = tracing.current_ids()
    return f', "trace_id": "{trace_id}", "span_id": "{span_id}"' if trace_id else ""


_requests: JsonLines | None = None


def log_request(method: str, path: str, status: int, elapsed_ms: float) -> None:
    """Write the line of a request if its level is enabled; status 0: it was not answered."""
    if _requests is not None:
        _requests.request(method, path, status, elapsed_ms)


def configure(service: str, level: str = "INFO") -> None:
    """Send every record of this process to stdout as JSON lines.

    Raises:
        ValueError: If the level does not exist.
    """
    global _requests  # noqa: PLW0603 - logging is the process's own, like the root logger
    handler = JsonLines(service, sys.stdout)
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    _requests = handler if logging.getLogger().isEnabledFor(logging.INFO) else None
    atexit.register(handler.flush)
    # To find the place of a log call takes a walk up the stack for each line, and the lines do not contain it.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
