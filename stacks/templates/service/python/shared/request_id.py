"""The request's `x-request-id`: kept or created, passed on to upstreams, and shown in log lines and the answer."""

from __future__ import annotations

import re
import secrets
from contextvars import ContextVar

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "x-request-id"
REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
_VALID = re.compile(r"[\w.:/+=@-]{1,128}", re.ASCII)


def passed_on() -> dict[str, str]:
    """Return the header for a call to an upstream; empty outside of a request."""
    return {HEADER: request_id} if (request_id := REQUEST_ID.get()) else {}


class RequestIdMiddleware:
    """ASGI middleware that sets `REQUEST_ID` for each request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        request_id = given if _VALID.fullmatch(given) else secrets.token_hex(16)
        REQUEST_ID.set(request_id)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        await self._app(scope, receive, answer)
