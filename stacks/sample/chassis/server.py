"""Runs a service: tracing, logs, the HTTP server, and a clean shutdown on SIGTERM and SIGINT."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from chassis import health, logs
from chassis.answers import Answers
from chassis.config import Config, ConfigMistake
from chassis.index import index_route
from devenv import tracing

# Longer than a client keeps an idle connection, so that no request uses a connection that is just being closed.
KEEP_ALIVE_S = 75
_NOT_STARTED = 3  # uvicorn's own code for it
Resources = Callable[[Starlette], AbstractAsyncContextManager[None]]


class Service(Starlette):
    """A Starlette application whose only middleware is ours."""

    def build_middleware_stack(self) -> ASGIApp:
        """Return the middleware between the server and the router."""
        return Answers(self.router)


def application(config: Config, routes: list[BaseRoute], resources: Resources) -> Service:
    """Return an application with an index, health routes, problem documents and a request log.

    Args:
        config: configuration, with the name of the service.
        routes: routes of the service.
        resources: opens the service's resources (a database, a client session); it is ready while they are open.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with resources(app):
            app.state.ready = True
            yield
            app.state.ready = False

    index = index_route(_name(config), routes)
    return Service(routes=[*routes, *health.ROUTES, index], lifespan=lifespan)


def serve(path: Path, create: Callable[[Config], ASGIApp]) -> None:
    """Serve until SIGTERM or SIGINT, then finish the running requests and flush the spans; exits with 0.

    Args:
        path: the service's config.yaml; the variable CONFIG names another one.
        create: creates the application of a configuration.

    Raises:
        SystemExit: 2 if the configuration is invalid, 3 if the port or a resource is not available.
    """
    path = Path(os.environ.get("CONFIG") or path)
    # uvicorn sends itself the signal again once it has stopped; without these the default action would end the
    # process before the last spans are out.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    try:
        config = Config.read(path)
        logs.configure(_name(config), config.text("server.log_level"))
        server = _server(config, create(config))
        tracer = tracing.setup(path)
    except (ConfigMistake, tracing.ConfigError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from error
    gc.freeze()  # the objects of start-up are never freed: collections need not visit them again
    try:
        server.run()
    finally:
        tracer.shutdown()
    if not server.started:
        raise SystemExit(_NOT_STARTED)


def _name(config: Config) -> str:
    return config.text("tracing.service_name", "OTEL_SERVICE_NAME")


def _leave(_: int, __: FrameType | None) -> None:
    raise SystemExit(0)


def _server(config: Config, app: ASGIApp) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            tracing.TracingMiddleware(app),
            host=config.text("server.host", "HOST"),
            port=int(config.number("server.port", "PORT")),
            loop="uvloop",
            http="httptools",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=int(config.number("server.stop_timeout_s")),
        )
    )
