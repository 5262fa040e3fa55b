"""The reverse proxy: one ASGI endpoint per route; bodies are streamed in both directions."""

from __future__ import annotations

from urllib.parse import quote

import aiohttp
from multidict import CIMultiDict
from starlette.types import Receive, Scope, Send
from yarl import URL

from chassis.logs import REQUEST_ID
from chassis.problems import Problem
from chassis.upstream import failures_as_problems
from devenv import tracing
from gateway.headers import CREDENTIALS, request_headers
from gateway.identity import identify
from gateway.routes import ProxiedRoute
from gateway.streams import RequestBody, send_response


class Proxy:
    """Passes the requests of one route to its upstream.

    Args:
        route: entry of the table.
        base: base URL of the upstream.
    """

    def __init__(self, route: ProxiedRoute, base: URL) -> None:
        self._route = route
        self._base = str(base).rstrip("/") + route.path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request.

        Raises:
            Problem: If the caller is unknown, or the upstream failed. If the answer has already begun, this closes the
                caller's connection.
        """
        method: str = scope["method"]
        url = self._target(scope)
        headers = request_headers(scope["headers"])
        await self._authenticate(scope, headers)
        _add_forwarding(headers, scope)
        body = RequestBody.of(scope, receive)
        session: aiohttp.ClientSession = scope["app"].state.session
        target = URL(url, encoded=True)
        try:
            with failures_as_problems(self._route.upstream), tracing.client_span(method, url, headers) as span:
                async with session.request(
                    method, target, headers=headers, data=body and body.chunks(), allow_redirects=False
                ) as response:
                    span.set_attribute("http.response.status_code", response.status)
                    await send_response(response, body, receive, send)
        except Problem:
            if body is not None and body.caller_gone:
                return
            raise

    async def _authenticate(self, scope: Scope, headers: CIMultiDict[str]) -> None:
        if not self._route.authenticate:
            return
        caller = await identify(scope["app"].state.auth, scope["headers"])
        for name in CREDENTIALS:
            headers.popall(name, None)
        headers["x-account-id"] = str(caller.id)

    def _target(self, scope: Scope) -> str:
        """Return the upstream's URL: the path as it was sent, percent-encoding included.

        Raises:
            Problem: 400 for dot segments, because such a path could leave the route's part of the upstream.
        """
        path: str = scope["path"]
        if not {".", ".."}.isdisjoint(path.split("/")):
            raise Problem(400, "the path has dot segments")
        raw: str = scope["raw_path"].decode("latin-1")
        rest = raw if raw.startswith(self._route.prefix) else quote(path)
        query: str = scope["query_string"].decode("latin-1")
        return self._base + rest[len(self._route.prefix) :] + (f"?{query}" if query else "")


def _add_forwarding(headers: CIMultiDict[str], scope: Scope) -> None:
    headers["x-request-id"] = REQUEST_ID.get()
    headers["x-forwarded-proto"] = scope["scheme"]
    if scope.get("client"):
        headers["x-forwarded-for"] = scope["client"][0]
    host = next((value for name, value in scope["headers"] if name == b"host"), b"")
    headers["x-forwarded-host"] = host.decode("latin-1")
