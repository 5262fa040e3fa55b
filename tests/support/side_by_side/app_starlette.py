"""The application of the situations with Starlette."""

from __future__ import annotations

import asyncio

from side_by_side.situations import broken, work
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse, RedirectResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute


class Failing:
    """A middleware that fails for one path."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope.get("path") == "/middleware":
            broken()
        await self.app(scope, receive, send)


async def ok(request):
    with work():
        return PlainTextResponse("ok")


async def fails(request):
    broken()


async def refused(request):
    raise HTTPException(403)


async def busy(request):
    return PlainTextResponse("busy", 503)


async def moved(request):
    return RedirectResponse("/ok", 302)


async def parts(endless):
    with work("part"):
        yield b"a"
    if endless:
        await asyncio.sleep(60)
    yield b"b"


async def streamed(request):
    return StreamingResponse(parts(endless=request.url.path == "/endless"))


async def after():
    with work("after"):
        pass


async def background(request):
    return PlainTextResponse("ok", background=BackgroundTask(after))


async def upload(request):
    return PlainTextResponse(str(len(await request.body())))


async def talk(websocket):
    await websocket.accept()
    with work():
        await websocket.send_text(await websocket.receive_text())
    await websocket.close()


def make(hand=False):
    """Return the application, traced by hand if asked for."""
    below = Starlette(routes=[Route("/inner/{key}", ok)])
    routes = [
        Route("/ok", ok),
        Route("/fails", fails),
        Route("/refused", refused),
        Route("/busy", busy),
        Route("/moved", moved),
        Route("/streamed", streamed),
        Route("/endless", streamed),
        WebSocketRoute("/ws", talk),
        Route("/background", background),
        Mount("/below", below),
        Route("/items/{number:int}", ok),
        Route("/upload", upload, methods=["POST"]),
    ]
    app = Starlette(routes=routes, middleware=[Middleware(Failing)])
    if not hand:
        return app
    from devenv import tracing

    return tracing.TracingMiddleware(app)
