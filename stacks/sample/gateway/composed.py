"""Routes that the gateway answers itself, out of what several services say."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from chassis.problems import Problem
from chassis.upstream import Upstream
from devenv import tracing
from gateway.identity import identify


async def profile(request: Request) -> Response:
    """``GET /api/profile``: the caller's own account; auth finds out who that is and gets the account from user."""
    account = await identify(request.app.state.auth, request.scope["headers"])
    return JSONResponse({"profile": account})


async def overview(request: Request) -> Response:
    """``GET /api/overview``: the caller's account, its latest events, and the newest accounts, side by side."""
    account = await identify(request.app.state.auth, request.scope["headers"])
    user: Upstream = request.app.state.user
    with tracing.span("compose overview", attributes={"account.id": account["id"]}):
        (events_status, events), (newest_status, newest) = await asyncio.gather(
            user.get(f"/users/{account['id']}/events?limit=5"), user.get("/users?limit=3&order=newest")
        )
        if events_status != HTTPStatus.OK or newest_status != HTTPStatus.OK:
            raise Problem(502, f"user answered with {events_status} and {newest_status}")
        tracing.add_event("overview.composed", {"events": len(events["events"])})
    return JSONResponse({"profile": account, "events": events["events"], "newest": newest["users"]})
