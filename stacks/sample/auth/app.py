"""Auth's application; ``python -m auth.app`` serves it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from auth.credentials import Credentials
from auth.login import check_password, find_account
from chassis.answers import route
from chassis.bodies import encoded_response, json_response
from chassis.config import Config
from chassis.json_requests import read_object, text_field
from chassis.problems import Problem
from chassis.server import Service, application, serve
from chassis.upstream import Timeouts, Upstream, client_session, upstream_urls
from devenv import tracing


async def login(request: Request) -> Response:
    """``POST /login`` with username and password: answers with an access token."""
    body = await read_object(request)
    username, password = text_field(body, "username"), text_field(body, "password")
    credentials: Credentials = request.app.state.credentials
    with tracing.span("login"):
        account = await check_password(await find_account(request.app.state.user, username), password)
        tracing.set_attributes({"account.id": account["id"]})
    tokens = credentials.tokens
    token = tokens.issue(account["id"])
    return json_response(
        {"access_token": token, "token_type": "Bearer", "expires_in": tokens.lifetime_s},
        headers={"cache-control": "no-store"},
    )


async def session(request: Request) -> Response:
    """``GET /session``: answers with the account of these credentials if it is active."""
    credentials: Credentials = request.app.state.credentials
    with tracing.span("verify credentials"):
        account_id = credentials.account_id(request.headers)
        tracing.set_attributes({"account.id": account_id})
    user: Upstream = request.app.state.user
    answer = await user.get(f"/users/{account_id}")
    if answer.status == HTTPStatus.NOT_FOUND:
        raise Problem(401, "the account is gone", {"www-authenticate": "Bearer"})
    if answer.status != HTTPStatus.OK:
        raise Problem(502, f"user answered with {answer.status}")
    if not answer.object().get("active"):
        raise Problem(403, "the account is not active")
    return encoded_response(answer.body)


def create(config: Config) -> Service:
    """Return the application of a configuration.

    Raises:
        ConfigMistake: If a value of the configuration is invalid.
    """
    credentials = Credentials.of(config)
    timeouts = Timeouts.of(config)
    base = upstream_urls(config)["user"]

    @asynccontextmanager
    async def resources(app: Starlette) -> AsyncIterator[None]:
        async with client_session(timeouts) as client:
            app.state.credentials = credentials
            app.state.user = Upstream("user", base, client)
            yield

    return application(
        config,
        [route("GET", "/session", session), route("POST", "/login", login)],
        resources,
    )


if __name__ == "__main__":
    serve(Path(__file__).with_name("config.yaml"), create)
