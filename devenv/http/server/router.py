"""Routes: the handler for each path."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from urllib.parse import unquote

from devenv.http.server.message import Handler, HttpRequest, Response
from devenv.immutable import immutable


@immutable()
class Route:
    """A route; in ``pattern``, a segment in braces matches any one segment: ``/api/traces/{id}``."""

    method: str
    pattern: str
    handler: Handler


class Router:
    """Matches requests to routes: 404 for an unknown path, 405 for a known path with another method.

    ``unknown`` gives these two answers another form: called with the request, the status and its reason.
    """

    def __init__(
        self, routes: Iterable[Route], unknown: Callable[[HttpRequest, int, str], Response | None] | None = None
    ) -> None:
        self._unknown = unknown
        self._exact: dict[str, dict[str, Handler]] = {}
        self._patterns: list[tuple[list[str], str, Handler]] = []
        for route in routes:
            if "{" in route.pattern:
                self._patterns.append((route.pattern.split("/"), route.method, route.handler))
            else:
                self._exact.setdefault(route.pattern, {})[route.method] = route.handler

    def resolve(self, request: HttpRequest) -> tuple[Handler, HttpRequest] | Response:
        """Return the handler and the request with the path's arguments, or an error response."""
        method = "GET" if request.method == "HEAD" else request.method
        methods = self._exact.get(request.path)
        if methods is not None and method in methods:
            return methods[method], request
        allowed = set(methods or ())
        segments = request.path.split("/")
        for pattern, wanted, handler in self._patterns:
            arguments = _match(pattern, segments)
            if arguments is None:
                continue
            if wanted == method:
                return handler, replace(request, arguments=arguments)
            allowed.add(wanted)
        if allowed:
            refusal = self._refusal(request, 405, "method not allowed")
            refusal.headers = (("Allow", ", ".join(sorted(allowed))),)
            return refusal
        return self._refusal(request, 404, "page not found")

    def _refusal(self, request: HttpRequest, status: int, reason: str) -> Response:
        shaped = self._unknown(request, status, reason) if self._unknown is not None else None
        return shaped or Response.text(f"{status} {reason}\n", status)


def _match(pattern: list[str], segments: list[str]) -> dict[str, str] | None:
    if len(pattern) != len(segments):
        return None
    arguments = {}
    for expected, segment in zip(pattern, segments, strict=True):
        if expected.startswith("{"):
            if not segment:
                return None
            arguments[expected[1:-1]] = unquote(segment)
        elif expected != segment:
            return None
    return arguments
