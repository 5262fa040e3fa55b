"""The application of the situations with FastAPI."""

from fastapi import BackgroundTasks, FastAPI, HTTPException, Request, WebSocket
from fastapi.responses import PlainTextResponse, RedirectResponse, StreamingResponse
from side_by_side.app_starlette import Failing, after, parts
from side_by_side.situations import broken, work


def make(hand=False):
    """Return the application, traced by hand if asked for."""
    app, below = FastAPI(), FastAPI()
    app.add_middleware(Failing)
    app.mount("/below", below)
    _simple(app)
    _longer(app)

    @below.get("/inner/{key}")
    async def inner(key: str):
        with work():
            return key

    if not hand:
        return app
    from devenv import tracing

    return tracing.TracingMiddleware(app)


def _simple(app):
    @app.get("/ok")
    async def ok():
        with work():
            return "ok"

    @app.get("/items/{number}")
    async def item(number: int, page: list[int] | None = None):
        with work():
            return number

    @app.get("/fails")
    async def fails():
        broken()

    @app.get("/refused")
    async def refused():
        raise HTTPException(403)

    @app.get("/busy")
    async def busy():
        return PlainTextResponse("busy", 503)

    @app.get("/moved")
    async def moved():
        return RedirectResponse("/ok", 302)


def _longer(app):
    @app.get("/streamed")
    async def streamed():
        return StreamingResponse(parts(endless=False))

    @app.get("/endless")
    async def endless():
        return StreamingResponse(parts(endless=True))

    @app.get("/background")
    async def background(tasks: BackgroundTasks):
        tasks.add_task(after)
        return "ok"

    @app.post("/upload")
    async def upload(request: Request):
        return len(await request.body())

    @app.websocket("/ws")
    async def talk(websocket: WebSocket):
        await websocket.accept()
        with work():
            await websocket.send_text(await websocket.receive_text())
        await websocket.close()
