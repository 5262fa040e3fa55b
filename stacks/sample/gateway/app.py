"""The gateway's application; ``python -m gateway.app`` serves it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route

from chassis.answers import route
from chassis.config import Config
from chassis.server import Service, application, serve
from chassis.upstream import Timeouts, Upstream, client_session, upstream_urls
from gateway.composed import overview, profile_with
from gateway.proxy import Proxy
from gateway.routes import read_included, read_routes


def create(config: Config) -> Service:
    """Return the application of a configuration.

    Raises:
        ConfigMistake: If a value of the configuration is invalid.
    """
    urls = upstream_urls(config)
    timeouts = Timeouts.of(config)
    included = read_included(config, urls)
    profile = profile_with(included)
    routes: list[BaseRoute] = [route("GET", "/api/profile", profile), route("GET", "/api/overview", overview)]
    for row in read_routes(config, urls):
        proxy = Proxy(row, urls[row.upstream])
        routes += [Route(row.prefix, proxy), Route(row.prefix + "/{path:path}", proxy)]

    @asynccontextmanager
    async def resources(app: Starlette) -> AsyncIterator[None]:
        async with client_session(timeouts) as session:
            app.state.session = session
            app.state.auth = Upstream("auth", urls["auth"], session)
            app.state.user = Upstream("user", urls["user"], session)
            app.state.included = [Upstream(name, urls[name], session) for name in included]
            yield

    return application(config, routes, resources)


if __name__ == "__main__":
    serve(Path(__file__).with_name("config.yaml"), create)
