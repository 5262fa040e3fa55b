"""The bytes of each request, built around its trace context."""

from __future__ import annotations

import os

from devenv.http.origin import Origin
from devenv.http.request_bytes import request_bytes
from devenv.load.send.request_headers import baggage, encode_body, fixed_headers, traceparent
from devenv.model.extension import Request

_TRACE = "0123456789abcdef" * 2
_SPAN = "fedcba9876543210"


class RequestTemplate:
    """A request with gaps for the IDs; everything else is encoded once."""

    def __init__(self, origin: Origin, request: Request) -> None:
        body = encode_body(request)
        headers = {
            "host": origin.authority,
            **fixed_headers(request),
            "traceparent": traceparent(_TRACE, _SPAN),
            "baggage": baggage(request, _TRACE),
        }
        data = request_bytes(request.method, f"{origin.path}{request.path}", headers, body)
        head = data[: len(data) - len(body)]
        before, context, rest = head.partition(f"{_TRACE}-{_SPAN}-03".encode())
        assert context  # noqa: S101 - the headers above contain it
        middle, _, after = rest.rpartition(_TRACE.encode())
        self._before, self._middle, self._after = before, middle, after + body

    def encode(self, trace_id: bytes, span_id: bytes, *, sampled: bool) -> bytes:
        """Return the whole request with these IDs (16 and 8 bytes)."""
        trace = trace_id.hex().encode()
        flags = b"-03" if sampled else b"-02"
        return b"".join((self._before, trace, b"-", span_id.hex().encode(), flags, self._middle, trace, self._after))


class Identities:
    """Random trace and span IDs, read from the system in blocks."""

    _BLOCK = 24 * 512

    def __init__(self) -> None:
        self._block = b""
        self._used = 0

    def draw(self) -> tuple[bytes, bytes]:
        """Return a new trace ID (16 bytes) and span ID (8 bytes).

        All zeros would be invalid; their probability is negligible.
        """
        if self._used == len(self._block):
            self._block, self._used = os.urandom(self._BLOCK), 0
        start, self._used = self._used, self._used + 24
        return self._block[start : start + 16], self._block[start + 16 : start + 24]
