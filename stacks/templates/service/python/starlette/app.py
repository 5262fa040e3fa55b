"""The application of `__service__`; `python -m __module__.app` serves it. Put your code here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from devenv import tracing
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from __module__.problems import bad_gateway
from __module__.request_id import RequestIdMiddleware
from __module__.serving import serve
from __module__.settings import Settings
from __module__.upstreams import UpstreamError, Upstreams, connect

CONFIG = Path(__file__).with_name("config.yaml")
log = logging.getLogger("__service__")


async def index(request: Request) -> Response:
    """`GET /`: this service and the answers of its upstreams; 502 if one of them fails."""
    upstreams: Upstreams = request.app.state.upstreams
    # A span for a piece of work: a child of the request's span. An exception that leaves the block fails it.
    with tracing.span("compose answer", attributes={"upstream.count": len(upstreams.names)}):
        # In parallel. Each call is a client span, and the upstream's spans are its children.
        answers = await asyncio.gather(*(upstreams.get(name, "/") for name in upstreams.names))
        tracing.add_event("answer.composed")
        log.info("composed of %d answers", len(answers))
    return JSONResponse({"service": "__service__", "upstreams": dict(zip(upstreams.names, answers, strict=True))})


async def alive(_: Request) -> Response:
    """`GET /healthz`: the process answers."""
    return JSONResponse({"status": "alive"})


async def ready(_: Request) -> Response:
    """`GET /readyz`: the service is ready; the server listens only after `lifespan` has opened what requests need."""
    return JSONResponse({"status": "ready"})


# The two health routes are not traced: they are in the default of `tracing.exclude` in config.yaml.
ROUTES = [Route("/", index), Route("/healthz", alive), Route("/readyz", ready)]


def create(settings: Settings) -> Starlette:
    """The application."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with connect(settings) as app.state.upstreams:
            yield

    return Starlette(
        routes=ROUTES,
        lifespan=lifespan,
        middleware=[Middleware(RequestIdMiddleware)],
        exception_handlers={UpstreamError: bad_gateway},
    )


if __name__ == "__main__":
    serve(CONFIG, create)
