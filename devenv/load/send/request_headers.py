"""Headers and body of devenv's own requests, from the scenario and the trace context."""

from __future__ import annotations

import json

from devenv.model.extension import Request
from devenv.model.trace import REQUEST_KEY

RETRIABLE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})
"""Idempotent methods (RFC 9110, 9.2.2): sent again if a kept-alive connection was closed."""

_OURS = {"host", "content-length", "connection", "transfer-encoding", "traceparent", "baggage"}


def traceparent(trace_id: str, span_id: str, *, sampled: bool = True) -> str:
    """Return the W3C Trace Context header, version 00, with the random-trace-id flag of Level 2."""
    return f"00-{trace_id}-{span_id}-{'03' if sampled else '02'}"


def encode_body(request: Request) -> bytes:
    """Return the body: text unchanged, other values as JSON, empty if the request has none."""
    if request.body is None:
        return b""
    return request.body.encode() if isinstance(request.body, str) else json.dumps(request.body).encode()


def fixed_headers(request: Request) -> dict[str, str]:
    """Return the request's headers by lowercase name, without those that differ per sending."""
    given = {name.lower(): value for name, value in request.headers.items() if name.lower() not in _OURS}
    defaults = {"user-agent": "devenv", "accept": "*/*"}
    if request.body is not None and not isinstance(request.body, str):
        defaults["content-type"] = "application/json"
    return defaults | given


def baggage(request: Request, trace_id: str) -> str:
    """Return the W3C Baggage header: the scenario's own members, then the key that finds the parts of a split trace."""
    given = next((value for name, value in request.headers.items() if name.lower() == "baggage"), "")
    return f"{given},{REQUEST_KEY}={trace_id}" if given else f"{REQUEST_KEY}={trace_id}"


def is_success(request: Request, status: int) -> bool:
    """Return whether the status is expected: ``expect_status`` if set, else any below 400."""
    return status == request.expect_status if request.expect_status else status < 400
