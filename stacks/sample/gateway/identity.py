"""Identifies the caller by a request to auth."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from chassis.problems import Problem
from chassis.upstream import Upstream

RawHeaders = list[tuple[bytes, bytes]]
_CREDENTIALS = {b"authorization": "authorization", b"x-api-key": "x-api-key"}


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller; ``account`` is auth's complete answer in JSON."""

    id: int
    account: bytes


async def identify(auth: Upstream, headers: RawHeaders) -> Caller:
    """Return the caller that sent these headers.

    Raises:
        Problem: 401 if the credentials are not valid, 403 if the account is not active, 502 if auth failed.
    """
    sent = {_CREDENTIALS[name]: value.decode("latin-1") for name, value in headers if name in _CREDENTIALS}
    answer = await auth.get("/session", sent)
    account = answer.object()
    if answer.status == HTTPStatus.OK and isinstance(account.get("id"), int):
        return Caller(account["id"], answer.body)
    detail = str(account.get("detail", ""))
    if answer.status == HTTPStatus.UNAUTHORIZED:
        raise Problem(401, detail, {"www-authenticate": "Bearer"})
    if answer.status == HTTPStatus.FORBIDDEN:
        raise Problem(403, detail)
    status = 504 if answer.status == HTTPStatus.GATEWAY_TIMEOUT else 502
    raise Problem(status, f"auth answered with {answer.status}: {detail}")
