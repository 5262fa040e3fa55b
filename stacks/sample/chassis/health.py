"""Liveness and readiness: they do not call other services, so that one failed service does not make the others fail."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


async def _alive(_: Request) -> Response:
    return JSONResponse({"status": "alive"})


async def _ready(request: Request) -> Response:
    ready = getattr(request.app.state, "ready", False)
    return JSONResponse({"status": "ready" if ready else "starting"}, 200 if ready else 503)


ROUTES = [Route("/healthz", _alive), Route("/readyz", _ready)]
PATHS = frozenset(route.path for route in ROUTES)
