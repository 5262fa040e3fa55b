"""Errors as problem documents (RFC 9457), with the trace ID."""

from __future__ import annotations

import logging
from http import HTTPStatus

from devenv import tracing
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

log = logging.getLogger("__service__")


async def bad_gateway(_: Request, error: Exception) -> Response:
    """Return a 502 for a service that failed; a status of 500 and above makes the request's span an error."""
    log.warning("%s", error)
    trace_id, _span_id = tracing.current_ids()
    status = HTTPStatus.BAD_GATEWAY
    problem = {"title": status.phrase, "status": status, "detail": str(error), "trace_id": trace_id}
    return JSONResponse(problem, status, media_type="application/problem+json")
