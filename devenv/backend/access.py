"""Closes query APIs and pages to other users of the machine: a request must carry a secret of this backend.

A program sends the token (``Authorization: Bearer …``). A browser gets a cookie from a link that works once, so the
token itself is in no address, no history and no list of processes.
"""

from __future__ import annotations

import hmac
import re
import secrets
import time
from collections.abc import Callable, Iterable

from devenv.backend.api.envelopes import unknown_path
from devenv.http.server import HttpRequest, Response, Route, Router
from devenv.http.server.message import TEXT, Handler

LINKS_PATH = "/api/devenv/links"
LOGIN_PATH = "/login"

LINK_SECONDS = 300.0
_MAXIMUM_LINKS = 100

# A path of this server: not another host's (//…, /\…), and nothing that ends a header.
_LOCAL = re.compile(r"/(?![/\\])[!-~]*")
_REFUSED = "this trace backend wants a token: run `devenv open jaeger`, or send the header in .devenv/authorization"


class Access:
    """Who may read.

    Args:
        token: of programs.
        cookie: name of the browser's cookie. Browsers send it to all ports of a host, so each backend has its own name.
        now: seconds on a steady clock.
    """

    def __init__(self, token: str, cookie: str, *, now: Callable[[], float] = time.monotonic) -> None:
        self._token = token
        self._cookie = cookie
        self._session = secrets.token_urlsafe(32)
        self._now = now
        self._codes: dict[str, float] = {}

    def routes(self) -> list[Route]:
        """A new link, and the page that a link leads to."""
        return [Route("POST", LINKS_PATH, self._link), Route("GET", LOGIN_PATH, self._login)]

    def permits(self, request: HttpRequest) -> bool:
        """Whether a request carries a secret, or needs none."""
        if request.path == LOGIN_PATH:
            return True
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and _same(token.strip(), self._token):
            return True
        pairs = (pair.strip().partition("=") for pair in request.headers.get("cookie", "").split(";"))
        return any(name == self._cookie and _same(value, self._session) for name, _, value in pairs)

    def _link(self, request: HttpRequest) -> Response:  # noqa: ARG002 (the handler's signature)
        """Return a code for :meth:`_login` that works once, within five minutes."""
        self._forget_old()
        while len(self._codes) >= _MAXIMUM_LINKS:
            del self._codes[next(iter(self._codes))]
        code = secrets.token_urlsafe(24)
        self._codes[code] = self._now() + LINK_SECONDS
        return Response.json({"code": code})

    def _login(self, request: HttpRequest) -> Response:
        """``?code=…&next=/path``: exchange the code for the cookie, and lead on."""
        try:
            parameters = request.parameters()
        except ValueError as error:
            return Response.text(f"400 {error}\n", 400)
        self._forget_old()
        code, target = parameters.first("code"), parameters.first("next") or "/"
        if self._codes.pop(code, None) is None:
            return _refusal("this link was used before or is too old: run `devenv open jaeger` again")
        headers = (
            ("Location", target if _LOCAL.fullmatch(target) else "/"),
            ("Set-Cookie", f"{self._cookie}={self._session}; Path=/; HttpOnly; SameSite=Lax"),
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "no-referrer"),
        )
        return Response(302, b"", TEXT, headers)

    def _forget_old(self) -> None:
        now = self._now()
        self._codes = {code: end for code, end in self._codes.items() if end > now}


class ClosedRouter(Router):
    """A router that answers 401 to who may not read, on every path, known or not."""

    def __init__(self, routes: Iterable[Route], access: Access) -> None:
        super().__init__((*routes, *access.routes()), unknown_path)
        self._access = access

    def resolve(self, request: HttpRequest) -> tuple[Handler, HttpRequest] | Response:
        """Return the handler and the request with the path's arguments, or an error response."""
        if self._access.permits(request):
            return super().resolve(request)
        refusal = unknown_path(request, 401, _REFUSED) or _refusal(_REFUSED)
        refusal.headers = (("WWW-Authenticate", 'Bearer realm="devenv"'), ("Cache-Control", "no-store"))
        return refusal


def _refusal(reason: str) -> Response:
    return Response.text(f"401 {reason}\n", 401)


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode())
