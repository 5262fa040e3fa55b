"""Builds the bytes of each request around its trace context."""

from __future__ import annotations

import os

from devenv.load.request import baggage, encode_body, fixed_headers, traceparent
from devenv.model.extension import Request
from devenv.traces.http import Origin

_TRACE = "0123456789abcdef" * 2
_SPAN = "fedcba9876543210"


class Message:
    """A request with holes for the ids; everything else is encoded once."""

    def __init__(self, origin: Origin, request: Request) -> None:
        body = encode_body(request)
        headers = {
            "host": origin.authority,
            **fixed_headers(request),
            "traceparent": traceparent(_TRACE, _SPAN),
            "baggage": baggage(request, _TRACE),
        }
        if body or request.method in {"POST", "PUT", "PATCH"}:
            headers["content-length"] = str(len(body))
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        text = f"{request.method} {origin.path}{request.path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")
        before, context, rest = text.partition(f"{_TRACE}-{_SPAN}-03".encode())
        assert context  # noqa: S101 - it was put there above
        middle, _, after = rest.rpartition(_TRACE.encode())
        self._before, self._middle, self._after = before, middle, after + body

    def encode(self, trace_id: bytes, span_id: bytes, *, sampled: bool) -> bytes:
        """The whole request under these ids (16 and 8 bytes)."""
        trace = trace_id.hex().encode()
        flags = b"-03" if sampled else b"-02"
        return b"".join((self._before, trace, b"-", span_id.hex().encode(), flags, self._middle, trace, self._after))


class Identities:
    """Random trace and span ids, drawn from the system in blocks."""

    _BLOCK = 24 * 512

    def __init__(self) -> None:
        self._block = b""
        self._used = 0

    def draw(self) -> tuple[bytes, bytes]:
        """A new trace id (16 bytes) and span id (8 bytes); all zeros, which are invalid, have no chance to speak of."""
        if self._used == len(self._block):
            self._block, self._used = os.urandom(self._BLOCK), 0
        start, self._used = self._used, self._used + 24
        return self._block[start : start + 16], self._block[start + 16 : start + 24]
