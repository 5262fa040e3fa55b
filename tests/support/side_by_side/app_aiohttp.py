"""The application of the situations with aiohttp."""

from __future__ import annotations

import asyncio

from aiohttp import web
from side_by_side.situations import broken, work


def make(hand=False):
    """Return the application, traced by hand if asked for."""
    traced = []
    if hand:
        from devenv import tracing

        traced = [tracing.aiohttp_middleware()]
    app, below = web.Application(middlewares=[*traced, failing]), web.Application()
    below.router.add_get("/inner/{key}", ok)
    app.add_subapp("/below", below)
    for path, handler in HANDLERS.items():
        app.router.add_route("POST" if path == "/upload" else "GET", path, handler)
    return app


@web.middleware
async def failing(request, handler):
    """A middleware that fails for one path."""
    if request.path == "/middleware":
        broken()
    return await handler(request)


async def ok(request):
    with work():
        return web.Response(text="ok")


async def fails(request):
    broken()


async def refused(request):
    raise web.HTTPForbidden


async def busy(request):
    return web.Response(status=503)


async def moved(request):
    raise web.HTTPFound("/ok")


async def streamed(request):
    response = web.StreamResponse()
    await response.prepare(request)
    with work("part"):
        await response.write(b"a")
    if request.path == "/endless":
        while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.01)
    await response.write(b"b")
    return response


async def background(request):
    async def after():
        with work("after"):
            pass

    task = asyncio.create_task(after())
    TASKS.add(task)
    task.add_done_callback(TASKS.discard)
    return web.Response(text="ok")


async def upload(request):
    return web.Response(text=str(len(await request.read())))


async def talk(request):
    websocket = web.WebSocketResponse()
    await websocket.prepare(request)
    with work():
        await websocket.send_str(await websocket.receive_str())
    await websocket.close()
    return websocket


TASKS = set()
HANDLERS = {
    "/ok": ok,
    "/fails": fails,
    "/refused": refused,
    "/busy": busy,
    "/moved": moved,
    "/streamed": streamed,
    "/endless": streamed,
    "/ws": talk,
    "/background": background,
    "/items/{number}": ok,
    "/upload": upload,
}
