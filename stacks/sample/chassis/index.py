"""``GET /``: the name and the routes of a service, for people and for other services."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from chassis.answers import route
from chassis.bodies import encode, encoded_response


def index_route(service: str, routes: Sequence[BaseRoute]) -> Route:
    """Return the route of an index; its body is encoded once.

    Args:
        service: name of the service.
        routes: what the index lists: ``GET /users/{id}``, and ``* /path`` for every method.
    """
    body = encode({"service": service, "routes": [_line(each) for each in routes if isinstance(each, Route)]})

    async def index(_: Request) -> Response:
        return encoded_response(body)

    return route("GET", "/", index)


def _line(listed: Route) -> str:
    methods = ",".join(sorted((listed.methods or {"*"}) - {"HEAD"}))
    return f"{methods} {listed.path}"
