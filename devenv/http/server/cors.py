"""Answers that a page of another origin may read (CORS, https://fetch.spec.whatwg.org/#http-cors-protocol)."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Iterable

from devenv.http.browser_origins import BrowserOrigins
from devenv.http.server.message import TEXT, Handler, HttpRequest, Response
from devenv.http.server.router import Route, Router

# Names of headers: tokens (RFC 9110, 5.6.2), which end no header of the answer.
_NAMES = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+(\s*,\s*[!#$%&'*+.^_`|~0-9A-Za-z-]+)*")
_MAX_AGE = "600"  # seconds; the longest that Chromium keeps an answer is 7200


class CorsRouter(Router):
    """A router whose answers pages of ``origins`` may read, with credentials and any headers.

    Browsers ask first, by OPTIONS, whether a page may send what it wants to. Credentials are needed although nothing
    reads them: ``navigator.sendBeacon``, with which exporters send when a page is closed, always has them.
    """

    def __init__(self, routes: Iterable[Route], origins: BrowserOrigins) -> None:
        self._routes = tuple(routes)
        super().__init__(self._routes)
        self._origins = origins

    def resolve(self, request: HttpRequest) -> tuple[Handler, HttpRequest] | Response:
        """Return the handler and the request with the path's arguments, or the answer to a question, or an error."""
        origin = request.headers.get("origin", "")
        if not origin or not self._origins.allows(origin):
            return super().resolve(request)
        if request.method == "OPTIONS" and "access-control-request-method" in request.headers:
            methods = [route.method for route in self._routes if route.pattern == request.path]
            if methods:
                return _permission(request, origin, methods)
        resolved = super().resolve(request)
        if isinstance(resolved, Response):
            return _readable(resolved, origin)
        handler, request = resolved

        def answered(request: HttpRequest) -> Response | Awaitable[Response]:
            answer = handler(request)
            return _readable(answer, origin) if isinstance(answer, Response) else _readable_later(answer, origin)

        return answered, request


def _permission(request: HttpRequest, origin: str, methods: list[str]) -> Response:
    response = _readable(Response(204, b"", TEXT), origin)
    response.headers += (("Access-Control-Allow-Methods", ", ".join(methods)), ("Access-Control-Max-Age", _MAX_AGE))
    names = request.headers.get("access-control-request-headers", "")
    if _NAMES.fullmatch(names):
        response.headers += (("Access-Control-Allow-Headers", names),)
    return response


async def _readable_later(answer: Awaitable[Response], origin: str) -> Response:
    return _readable(await answer, origin)


def _readable(response: Response, origin: str) -> Response:
    response.headers = (
        *response.headers,
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Allow-Credentials", "true"),
        ("Vary", "Origin"),
    )
    return response
