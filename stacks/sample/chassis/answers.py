"""What every answer of a service gets: the request's id, a log line, and a problem document instead of an exception."""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable
from time import perf_counter

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.health import PATHS
from chassis.logs import REQUEST_ID, log_request
from chassis.problems import describe, is_expected

HEADER = b"x-request-id"
_ACCEPTED = re.compile(rb"[A-Za-z0-9._-]{1,128}")


class Answers:
    """ASGI middleware: keeps or creates ``x-request-id``, turns exceptions into answers, and logs the request.

    It replaces Starlette's two exception middlewares, which cost more than the sample's own work. The query is
    left out of the log, because it may contain secrets.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request.

        Raises:
            Exception: If it is not a problem: it has been answered with a 500, and the server and tracing record it.
                If the answer had begun, any exception: the server then closes the connection.
        """
        if scope["type"] != "http" or scope["path"] in PATHS:
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        REQUEST_ID.set(request_id)
        status = 0
        started = perf_counter()

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((HEADER, request_id.encode()))
            await send(message)

        try:
            await self._app(scope, receive, answer)
        except Exception as error:
            if status:
                raise
            await describe(error)(scope, receive, answer)
            if not is_expected(error):
                raise
        finally:
            log_request(scope["method"], scope["path"], status, (perf_counter() - started) * 1000)


class Endpoint:
    """A function of a request as an ASGI application; unlike Starlette's, it leaves exceptions to ``Answers``."""

    def __init__(self, function: Callable[[Request], Awaitable[Response]]) -> None:
        self._function = function

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        response = await self._function(Request(scope, receive, send))
        await response(scope, receive, send)


def route(method: str, path: str, function: Callable[[Request], Awaitable[Response]]) -> Route:
    """Return a route to a function of a request."""
    return Route(path, Endpoint(function), methods=[method], name=function.__name__)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == HEADER:
            return value.decode() if _ACCEPTED.fullmatch(value) else os.urandom(16).hex()
    return os.urandom(16).hex()
