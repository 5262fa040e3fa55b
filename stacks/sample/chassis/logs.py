"""One JSON object a line on stdout, with the ids of the trace and of the request that the line belongs to."""

from __future__ import annotations

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime

from opentelemetry.trace import get_current_span

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")


class JsonLine(logging.Formatter):
    """Formats a record; ``extra={"fields": {…}}`` adds fields of its own."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "message": record.getMessage(),
        }
        fields = getattr(record, "fields", None)
        if fields is not None:
            line.update(fields)
        if request_id := REQUEST_ID.get():
            line["request_id"] = request_id
        context = get_current_span().get_span_context()
        if context.is_valid:
            line["trace_id"] = f"{context.trace_id:032x}"
            line["span_id"] = f"{context.span_id:016x}"
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def configure(service: str, level: str = "INFO") -> None:
    """Send every record of this process to stdout as JSON lines.

    Raises:
        ValueError: there is no such level.
    """
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLine(service))
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    # Where a record was made costs a walk up the stack for each line, and no line says it.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
