"""`exporter: console`: writes spans as lines of JSON, to see them without a receiver.

They go to stderr, so that the program's own output stays as it is; `exporter.console: stdout` is the specification's.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from typing import Any

from devenv.tracing.export.exporter import Sender, otlp_sender
from devenv.tracing.export.transport import Outcome
from devenv.tracing.light.exceptions import described
from devenv.tracing.light.notices import warn_once
from devenv.tracing.settings import Settings

_log = logging.getLogger(__name__)


def console_sender(settings: Settings, *, with_otlp: bool) -> Callable[[Callable[[float], bool]], Sender]:
    """Return what creates the sender: of lines alone, or before those of OTLP."""

    def make(pause: Callable[[float], bool]) -> Sender:
        lines = ConsoleSender(settings.console)
        return Both(lines, otlp_sender(settings, pause)) if with_otlp else lines

    return make


class Both:
    """Sends each batch to two senders; the outcome is the second one's."""

    def __init__(self, first: Sender, second: Sender) -> None:
        self._first = first
        self._second = second

    def send(self, body: bytes, spans: int, deadline: float) -> Outcome:
        """Send a batch to both; a failure of the first one is logged, and the second one gets the batch."""
        try:
            self._first.send(body, spans, deadline)
        except Exception as error:  # noqa: BLE001 - logged; a closed terminal must not stop the export
            warn_once(_log, "cannot write spans: %s", described(error))
        return self._second.send(body, spans, deadline)

    def close(self) -> None:
        """Close both."""
        self._first.close()
        self._second.close()


class ConsoleSender:
    """Writes batches as OTLP JSON, one line per span.

    Args:
        stream: `stderr` or `stdout`, looked up for each batch: a program may replace it.
    """

    def __init__(self, stream: str = "stderr") -> None:
        self._stream = stream

    def send(self, body: bytes, spans: int, deadline: float) -> Outcome:  # noqa: ARG002 - the Sender protocol
        """Write the spans of an encoded request."""
        from google.protobuf.json_format import MessageToDict
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        request = ExportTraceServiceRequest.FromString(body)
        stream = getattr(sys, self._stream)
        for resource_spans in request.resource_spans:
            for scope_spans in resource_spans.scope_spans:
                for span in scope_spans.spans:
                    shown: dict[str, Any] = MessageToDict(span)
                    shown.update(
                        traceId=span.trace_id.hex(), spanId=span.span_id.hex(), parentSpanId=span.parent_span_id.hex()
                    )
                    stream.write(json.dumps(shown, separators=(",", ":")) + "\n")
        stream.flush()
        return Outcome(0)

    def close(self) -> None:
        """Do nothing: no connection is open."""
