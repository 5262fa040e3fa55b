"""Asking auth who is calling."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from chassis.problems import Problem
from chassis.upstream import Upstream

RawHeaders = list[tuple[bytes, bytes]]
_CREDENTIALS = {b"authorization": "authorization", b"x-api-key": "x-api-key"}


async def identify(auth: Upstream, headers: RawHeaders) -> dict[str, Any]:
    """The account of whoever sent these headers.

    Raises:
        Problem: 401 where auth does not know them, 403 where the account is not active, 502 where auth failed.
    """
    sent = {_CREDENTIALS[name]: value.decode("latin-1") for name, value in headers if name in _CREDENTIALS}
    status, body = await auth.get("/session", sent)
    if not isinstance(body, dict):
        raise Problem(502, "auth did not answer with an object")
    if status == HTTPStatus.OK and isinstance(body.get("id"), int):
        return body
    detail = str(body.get("detail", ""))
    if status == HTTPStatus.UNAUTHORIZED:
        raise Problem(401, detail, {"www-authenticate": "Bearer"})
    if status == HTTPStatus.FORBIDDEN:
        raise Problem(403, detail)
    raise Problem(504 if status == HTTPStatus.GATEWAY_TIMEOUT else 502, f"auth answered with {status}: {detail}")
