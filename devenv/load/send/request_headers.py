"""How devenv's own requests look on the wire: the scenario's headers and body, and the context of their trace."""

from __future__ import annotations

import json

from devenv.model.extension import Request
from devenv.model.trace import REQUEST_KEY

RETRIABLE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})
"""Idempotent methods (RFC 9110 9.2.2): sent again where a kept-alive connection turned out to be closed."""

_OURS = {"host", "content-length", "connection", "transfer-encoding", "traceparent", "baggage"}


def traceparent(trace_id: str, span_id: str, *, sampled: bool = True) -> str:
    """W3C Trace Context header, version 00, with the random-trace-id flag of Level 2."""
    return f"00-{trace_id}-{span_id}-{'03' if sampled else '02'}"


def encode_body(request: Request) -> bytes:
    """The body: text as it is, anything else as JSON, none where there is none."""
    if request.body is None:
        return b""
    return request.body.encode() if isinstance(request.body, str) else json.dumps(request.body).encode()


def fixed_headers(request: Request) -> dict[str, str]:
    """Headers of the request by lower-case name, without those that each sending makes anew."""
    given = {name.lower(): value for name, value in request.headers.items() if name.lower() not in _OURS}
    defaults = {"user-agent": "devenv", "accept": "*/*"}
    if request.body is not None and not isinstance(request.body, str):
        defaults["content-type"] = "application/json"
    return defaults | given


def baggage(request: Request, trace_id: str) -> str:
    """W3C Baggage header: the scenario's own members, then the key by which parts of the request are found again."""
    given = next((value for name, value in request.headers.items() if name.lower() == "baggage"), "")
    return f"{given},{REQUEST_KEY}={trace_id}" if given else f"{REQUEST_KEY}={trace_id}"


def is_success(request: Request, status: int) -> bool:
    """Whether a status is what the request expects: ``expect_status``, or any below 400."""
    return status == request.expect_status if request.expect_status else status < 400
