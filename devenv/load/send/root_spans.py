"""The root spans of a run: encoded as requests end, exported in batches during the load."""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from itertools import islice

from devenv.errors import BackendUnavailable
from devenv.load.send.flight import Flight
from devenv.load.send.lean_client import LeanClient
from devenv.model.run import RequestError
from devenv.model.span import Span, SpanKind, Status, Value
from devenv.model.trace import OWN_SERVICE, REQUEST_KEY, RUN_KEY
from devenv.otlp.span_encoding import encode_span
from devenv.traces.export import SpanExporter

BATCH = 512
"""At most this many spans per export request."""

BACKLOG = 50_000
"""At most this many spans wait for the backend; further ones are lost, and counted."""

_INTERVAL = 0.2
_TIMEOUT = 5.0
_ATTEMPTS = 3
_FIXED64 = struct.Struct("<Q")
_TRACE, _SPAN = bytes(range(1, 17)), bytes(range(101, 109))
_START, _END = 0x1122334455667788, 0x2233445566778899


class RootEncoder:
    """Encoder of root spans: everything except IDs and times is encoded once per outcome.

    Args:
        run_id: value of ``devenv.run``.
        name: the spans' name, such as ``load default``.
        attributes: further attributes, equal for all spans.
        wall_ns: wall time of the run's start, nanoseconds since the epoch.
    """

    def __init__(self, run_id: str, name: str, attributes: dict[str, Value], wall_ns: int) -> None:
        self._name = name
        self._attributes: dict[str, Value] = {RUN_KEY: run_id, **attributes}
        self._wall_ns = wall_ns
        self._outcomes: dict[tuple[int, RequestError], list[bytes]] = {}

    def encode(self, flight: Flight, end: int, status: int, error: RequestError) -> bytes:
        """Return the span of a request, from its actual sending to its end."""
        pieces = self._outcomes.get((status, error))
        if pieces is None:
            pieces = self._outcomes[status, error] = self._split(status, error)
        wall, pack = self._wall_ns, _FIXED64.pack
        return b"".join(
            (
                pieces[0],
                flight.trace_id,
                pieces[1],
                flight.span_id,
                pieces[2],
                pack(wall + flight.actual),
                pieces[3],
                pack(wall + end),
                pieces[4],
                flight.trace_id.hex().encode(),
                pieces[5],
            )
        )

    def _split(self, status: int, error: RequestError) -> list[bytes]:
        """Return the bytes between the IDs and times in a span with this outcome."""
        result: dict[str, Value] = {"http.response.status_code": status} if status else {}
        if error:
            result["error.type"] = error.label(status)
        template = Span(
            trace_id=_TRACE.hex(),
            span_id=_SPAN.hex(),
            service=OWN_SERVICE,
            name=self._name,
            kind=SpanKind.INTERNAL,
            start_ns=_START,
            end_ns=_END,
            status=Status.ERROR if error else Status.UNSET,
            status_message=error.label(status) if error else "",
            attributes={REQUEST_KEY: _TRACE.hex(), **self._attributes, **result},
        )
        rest, pieces = encode_span(template), []
        for hole in (_TRACE, _SPAN, _FIXED64.pack(_START), _FIXED64.pack(_END), _TRACE.hex().encode()):
            before, _, rest = rest.partition(hole)
            pieces.append(before)
        return [*pieces, rest]


def root_span_sender(base_url: str) -> LeanClient:
    """The client that carries root spans beside the load. Sending a batch twice is harmless: copies are stored once."""
    return LeanClient(base_url, timeout=_TIMEOUT, retriable=True)


class RootSpans:
    """The queue of root spans, exported to the backend.

    Attributes:
        lost: spans that were rejected, or did not fit into the queue.
        failure: the reason of the last failed export.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._waiting: deque[bytes] = deque()
        self.lost = 0
        self.failure = ""

    def add(self, span: bytes) -> None:
        """Queue a span."""
        if len(self._waiting) < BACKLOG:
            self._waiting.append(span)
        else:
            self.lost += 1

    async def run(self) -> None:
        """Export the queue periodically, until cancelled."""
        while True:
            await asyncio.sleep(_INTERVAL)
            await self._send_all()

    async def drain(self) -> None:
        """Export the rest; spans that are not accepted after some attempts are lost."""
        for _ in range(_ATTEMPTS):
            if await self._send_all():
                break
        self.lost += len(self._waiting)
        self._waiting.clear()

    async def _send_all(self) -> bool:
        """Export batch after batch until one fails; that one stays in the queue."""
        while self._waiting:
            batch = list(islice(self._waiting, BATCH))
            try:
                await self._exporter.export(batch)
            except BackendUnavailable as error:
                self.failure = error.message
                return False
            for _ in batch:
                self._waiting.popleft()
        return True
