"""Errors as problem documents (RFC 9457)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus

from opentelemetry.trace import get_current_span
from starlette.exceptions import HTTPException
from starlette.responses import Response

from chassis.bodies import encode
from chassis.logs import REQUEST_ID
from devenv import tracing

log = logging.getLogger("problems")


class Problem(Exception):
    """An answer that is an error; the detail is sent to the caller and recorded in spans, so it must not be secret."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


def is_expected(error: Exception) -> bool:
    """Return whether an exception is a regular answer, and not a fault of the service."""
    return isinstance(error, Problem | HTTPException)


def describe(error: Exception) -> Response:
    """Return the answer for an exception; a fault of this service or of another one is recorded on the span."""
    if isinstance(error, Problem):
        if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            tracing.record_exception(error)
            log.warning("%s", error.detail, extra={"fields": {"status": error.status}})
        return _document(error.status, error.detail, error.headers)
    if isinstance(error, HTTPException):
        return _document(error.status_code, error.detail, error.headers)
    return _document(HTTPStatus.INTERNAL_SERVER_ERROR, "the service failed; its log has the reason", None)


def _document(status: int, detail: str, headers: Mapping[str, str] | None) -> Response:
    """Return type, title, status, detail, and the IDs by which the request can be found."""
    body: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if request_id := REQUEST_ID.get():
        body["request_id"] = request_id
    context = get_current_span().get_span_context()
    if context.is_valid:
        body["trace_id"] = f"{context.trace_id:032x}"
    return Response(encode(body), status, dict(headers or {}), media_type="application/problem+json")
