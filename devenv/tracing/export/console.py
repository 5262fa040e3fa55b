"""`exporter: console`: writes spans to stderr as lines of JSON, to see them without a receiver."""

from __future__ import annotations

import json
import sys
from typing import Any

from devenv.tracing.export.transport import Outcome


class ConsoleSender:
    """Writes batches as OTLP JSON, one line per span."""

    def send(self, body: bytes, spans: int, deadline: float) -> Outcome:  # noqa: ARG002 - the Sender protocol
        """Write the spans of an encoded request."""
        from google.protobuf.json_format import MessageToDict
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        request = ExportTraceServiceRequest.FromString(body)
        for resource_spans in request.resource_spans:
            for scope_spans in resource_spans.scope_spans:
                for span in scope_spans.spans:
                    shown: dict[str, Any] = MessageToDict(span)
                    shown.update(
                        traceId=span.trace_id.hex(), spanId=span.span_id.hex(), parentSpanId=span.parent_span_id.hex()
                    )
                    sys.stderr.write(json.dumps(shown, separators=(",", ":")) + "\n")
        return Outcome(0)

    def close(self) -> None:
        """Do nothing: no connection is open."""
