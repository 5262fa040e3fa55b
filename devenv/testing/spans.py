"""Builds spans of one trace for tests."""

from __future__ import annotations

import secrets

from devenv.model.span import Span, SpanKind, Status

MS = 1_000_000
"""Nanoseconds of a millisecond."""


class SpanBuilder:
    """Builds the spans of one trace.

    Args:
        start_ns: start of the trace, a whole number of microseconds since the epoch: one of Jaeger's dialects has no
            finer times.
        prefix: of the services' names, so that tests can share a backend.
    """

    def __init__(self, start_ns: int, prefix: str = "") -> None:
        self.trace_id = secrets.token_hex(16)
        self._start_ns = start_ns
        self._prefix = prefix

    def span(
        self,
        name: str,
        number: int,
        parent: int | None = None,
        *,
        at: int = 0,
        took: int = 10,
        service: str = "web",
        kind: SpanKind = SpanKind.INTERNAL,
        status: Status = Status.UNSET,
    ) -> Span:
        """One span; ``number`` and ``parent`` are span IDs, ``at`` and ``took`` milliseconds."""
        start_ns = self._start_ns + at * MS
        return Span(
            trace_id=self.trace_id,
            span_id=f"{number:016x}",
            parent_id=None if parent is None else f"{parent:016x}",
            service=self._prefix + service,
            name=name,
            kind=kind,
            start_ns=start_ns,
            end_ns=start_ns + took * MS,
            status=status,
        )
