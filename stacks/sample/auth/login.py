"""Login with a password."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from chassis.passwords import verify_password
from chassis.problems import Problem
from chassis.upstream import Upstream
from devenv import tracing

# Verified if the account does not exist, so that the time of an answer does not reveal which names exist.
_NOBODY = "scrypt$16384$8$1$AAAAAAAAAAAAAAAAAAAAAA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


async def find_account(user: Upstream, username: str) -> dict[str, Any] | None:
    """Return the account of a name with its password's hash, or ``None`` if it does not exist.

    Raises:
        Problem: 502 if user gives an unexpected answer, 504 if it is too slow.
    """
    answer = await user.get(f"/internal/accounts/{quote(username, safe='')}")
    if answer.status == HTTPStatus.NOT_FOUND:
        return None
    if answer.status != HTTPStatus.OK:
        raise Problem(502, f"user answered with {answer.status}")
    return answer.object()


async def check_password(account: dict[str, Any] | None, password: str) -> dict[str, Any]:
    """Return the account of a name and its password.

    Raises:
        Problem: 401 if the password is wrong or the account does not exist; 403 if the account is not active.
    """
    stored = account["password_hash"] if account else _NOBODY
    with tracing.span("verify password", attributes={"password.algorithm": "scrypt"}):
        matches = await tracing.run_in_thread(verify_password, password, stored)
        tracing.add_event("password.verified", {"password.matches": matches and account is not None})
    if account is None or not matches:
        raise Problem(401, "username or password is wrong")
    if not account["active"]:
        raise Problem(403, "the account is not active")
    return account
