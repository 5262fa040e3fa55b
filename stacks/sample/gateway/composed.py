"""Routes that the gateway answers itself, from the answers of several services."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from chassis.bodies import encoded_response, json_response
from chassis.problems import Problem
from chassis.upstream import Upstream
from devenv import tracing
from gateway.identity import identify


async def profile(request: Request) -> Response:
    """``GET /api/profile``: the caller's own account; auth finds out who that is and gets the account from user."""
    caller = await identify(request.app.state.auth, request.scope["headers"])
    return encoded_response(b'{"profile":' + caller.account + b"}")


def profile_with(included: Sequence[str]) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint of ``GET /api/profile``: `profile`, or `extended_profile` if services are included."""
    return extended_profile if included else profile


async def extended_profile(request: Request) -> Response:
    """Add to `profile` the answer of each included service to ``GET /``, called in parallel."""
    caller = await identify(request.app.state.auth, request.scope["headers"])
    included: list[Upstream] = request.app.state.included
    with tracing.span("extend profile", attributes={"account.id": caller.id}):
        account = {"x-account-id": str(caller.id)}
        answers = await asyncio.gather(*(upstream.get("/", dict(account)) for upstream in included))
        for answer in answers:
            if answer.status != HTTPStatus.OK:
                raise Problem(502, f"{answer.upstream} answered with {answer.status}")
        parts = {answer.upstream: answer.object() for answer in answers}
    return json_response({"profile": json.loads(caller.account), **parts})


async def overview(request: Request) -> Response:
    """``GET /api/overview``: the caller's account, its latest events, and the newest accounts, fetched in parallel."""
    caller = await identify(request.app.state.auth, request.scope["headers"])
    user: Upstream = request.app.state.user
    with tracing.span("compose overview", attributes={"account.id": caller.id}):
        events, newest = await asyncio.gather(
            user.get(f"/users/{caller.id}/events?limit=5"), user.get("/users?limit=3&order=newest")
        )
        if events.status != HTTPStatus.OK or newest.status != HTTPStatus.OK:
            raise Problem(502, f"user answered with {events.status} and {newest.status}")
        latest = events.object()["events"]
        tracing.add_event("overview.composed", {"events": len(latest)})
    account = json.loads(caller.account)
    return json_response({"profile": account, "events": latest, "newest": newest.object()["users"]})
