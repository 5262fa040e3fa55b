"""The envelopes of Jaeger's answers, and which of them the answer to an unknown path has."""

from __future__ import annotations

from typing import Any

from devenv.http.server.message import HttpRequest, Response


def legacy(data: Any, total: int = 0) -> Response:
    """Return an answer of the legacy API."""
    return Response.json({"data": data, "total": total, "limit": 0, "offset": 0, "errors": None})


def legacy_failure(status: int, message: str) -> Response:
    """Return an error of the legacy API."""
    errors = [{"code": status, "msg": message}]
    return Response.json({"data": None, "total": 0, "limit": 0, "offset": 0, "errors": errors}, status)


def v3_failure(status: int, message: str) -> Response:
    """Return an error of API v3."""
    return Response.json({"error": {"httpCode": status, "message": message}}, status)


def unknown_path(request: HttpRequest, status: int, reason: str) -> Response | None:
    """Return the answer to a request for which no API has a handler; None if its path is not one of an API."""
    if request.path.startswith("/api/v3/"):
        return v3_failure(status, reason)
    return legacy_failure(status, reason) if request.path.startswith("/api/") else None
