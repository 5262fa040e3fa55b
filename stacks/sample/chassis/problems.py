"""Errors as problem documents (RFC 9457), whoever raises them."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus

from opentelemetry.trace import get_current_span
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ExceptionHandler

from chassis.logs import REQUEST_ID
from devenv import tracing

log = logging.getLogger("problems")


class Problem(Exception):
    """An answer that is an error; the detail goes to the caller and into spans, so it holds no secret."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


def problem_response(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """The document: type, title, status, detail, and the ids by which the request can be found."""
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
    return Response(json.dumps(body), status, dict(headers or {}), media_type="application/problem+json")


async def _problem(_: Request, error: Exception) -> Response:
    if not isinstance(error, Problem):
        raise TypeError(f"registered for Problem, called with {type(error).__name__}")
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        tracing.record_exception(error)
        log.warning("%s", error.detail, extra={"fields": {"status": error.status}})
    return problem_response(error.status, error.detail, error.headers)


async def _http_exception(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise TypeError(f"registered for HTTPException, called with {type(error).__name__}")
    return problem_response(error.status_code, error.detail, error.headers)


async def _internal_error(_: Request, __: Exception) -> Response:
    # Starlette raises the exception again after this answer: the tracing middleware records it, the server logs it.
    return problem_response(HTTPStatus.INTERNAL_SERVER_ERROR, "the service failed; its log has the reason")


HANDLERS: dict[int | type[Exception], ExceptionHandler] = {
    Problem: _problem,
    HTTPException: _http_exception,
    Exception: _internal_error,
}
