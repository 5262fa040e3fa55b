"""The servers' cases: each framework serves the same requests over a socket, with a route, without, with a failure."""

from __future__ import annotations

import asyncio
import http.client
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import falcon
import falcon.asgi
import fastapi
import flask
import tornado.web
import uvicorn
import websockets.asyncio.client
import websockets.asyncio.server
import websockets.sync.client
import websockets.sync.server
from aiohttp import web
from conventions.cases import Place, Steps, case
from conventions.check import Expected, expected
from servers.django_project import project
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from werkzeug.serving import make_server

from devenv import tracing
from devenv.tracing.integrations import aiohttp_server, asgi_servers, django, wsgi
from devenv.tracing.integrations.web import falcon as falcon_integration
from devenv.tracing.integrations.web import tornado_server, websockets_server


def fail() -> Any:
    raise ValueError("own")


def ask(port: int, method: str, path: str) -> None:
    """Send a request, and read the response to its end."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, headers={"User-Agent": "test"})
    connection.getresponse().read()
    connection.close()


async def requests(port: int, other: tuple[str, ...]) -> AsyncIterator[list[Expected]]:
    """Send the requests, and yield what is expected of each.

    Args:
        port: The port of the server.
        other: Conditions of a request with an unknown method, which frameworks see differently.
    """
    for method, path, conditions in (
        ("GET", "/items/4?a=1", ("routed", "queried")),
        ("GET", "/nowhere", ()),
        ("GET", "/broken/4", ("routed", "failed")),
        ("PURGE", "/items/4", ("other-method", *other)),
    ):
        await asyncio.to_thread(ask, port, method, path)
        yield [expected("http.server", *conditions)]


@contextmanager
def wsgi_server(app: Any) -> Iterator[int]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@asynccontextmanager
async def asgi_server(app: Any) -> AsyncIterator[int]:
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.005)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving


async def by_wsgi(app: Any, *other: str) -> AsyncIterator[list[Expected]]:
    with wsgi_server(app) as port:
        async for step in requests(port, other):
            yield step


async def by_asgi(app: Any, *other: str) -> AsyncIterator[list[Expected]]:
    async with asgi_server(app) as port:
        async for step in requests(port, other):
            yield step


async def starlette_item(_request: Any) -> PlainTextResponse:
    return PlainTextResponse("ok")


async def starlette_broken(_request: Any) -> Any:
    fail()


def starlette_app() -> Starlette:
    return Starlette(routes=[Route("/items/{n}", starlette_item), Route("/broken/{n}", starlette_broken)])


@case("TracingMiddleware")
def asgi_by_hand(_place: Place) -> Steps:
    return by_asgi(tracing.TracingMiddleware(starlette_app()), "routed")


@case("asgi_servers [starlette]")
def by_starlette(_place: Place) -> Steps:
    asgi_servers.instrument_starlette()
    return by_asgi(starlette_app(), "routed")


@case("asgi_servers [uvicorn]")
def by_uvicorn(_place: Place) -> Steps:
    asgi_servers.instrument_uvicorn()
    return by_asgi(starlette_app(), "routed")


@case("asgi_servers [fastapi]")
def by_fastapi(_place: Place) -> Steps:
    asgi_servers.instrument_fastapi()
    app = fastapi.FastAPI()
    app.get("/items/{n}")(lambda n: n)
    app.get("/broken/{n}")(lambda n: fail())
    return by_asgi(app, "routed")


def flask_app() -> flask.Flask:
    app = flask.Flask("shop")
    app.add_url_rule("/items/<n>", "items", lambda n: n)
    app.add_url_rule("/broken/<n>", "broken", lambda n: fail())
    return app


@case("WSGIMiddleware")
def wsgi_by_hand(_place: Place) -> Steps:
    app = flask_app()
    app.wsgi_app = tracing.WSGIMiddleware(app.wsgi_app)  # type: ignore[method-assign]
    return by_wsgi(app)


@case("wsgi")
def by_flask(_place: Place) -> Steps:
    wsgi.instrument_flask()
    return by_wsgi(flask_app())


def django_project() -> Any:
    from django.http import HttpResponse
    from django.urls import path

    return project(
        [
            path("items/<int:n>", lambda request, n: HttpResponse(str(n))),
            path("broken/<int:n>", lambda request, n: fail()),
        ]
    )


@case("django [wsgi]")
async def by_django(_place: Place) -> AsyncIterator[list[Expected]]:
    from django.core.handlers.wsgi import WSGIHandler

    django.instrument()
    django.instrument_wsgi()
    with django_project():
        async for step in by_wsgi(WSGIHandler(), "routed"):
            yield step


@case("django [asgi]")
async def by_django_asgi(_place: Place) -> AsyncIterator[list[Expected]]:
    from django.core.handlers.asgi import ASGIHandler

    django.instrument()
    django.instrument_asgi()
    with django_project():
        async for step in by_asgi(ASGIHandler(), "routed"):
            yield step


class Item:
    def on_get(self, request: Any, response: Any, n: str) -> None:
        response.text = n


class Broken:
    def on_get(self, request: Any, response: Any, n: str) -> None:
        fail()


class AsyncItem:
    async def on_get(self, request: Any, response: Any, n: str) -> None:
        response.text = n


class AsyncBroken:
    async def on_get(self, request: Any, response: Any, n: str) -> None:
        fail()


@case("web.falcon [wsgi]")
def by_falcon(_place: Place) -> Steps:
    falcon_integration.instrument()
    app = falcon.App()
    app.add_route("/items/{n}", Item())
    app.add_route("/broken/{n}", Broken())
    return by_wsgi(app, "routed")


@case("web.falcon [asgi]")
def by_falcon_asgi(_place: Place) -> Steps:
    falcon_integration.instrument()
    falcon_integration.instrument_asgi()
    app = falcon.asgi.App()
    app.add_route("/items/{n}", AsyncItem())
    app.add_route("/broken/{n}", AsyncBroken())
    return by_asgi(app, "routed")


async def aiohttp_requests(app: web.Application) -> AsyncIterator[list[Expected]]:
    async def broken(_request: Any) -> Any:
        fail()

    async def item(_request: Any) -> web.Response:
        return web.Response(text="ok")

    app.router.add_get("/items/{n}", item)
    app.router.add_get("/broken/{n}", broken)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async for step in requests(runner.addresses[0][1], ()):
        yield step
    await runner.cleanup()


@case("aiohttp_middleware")
def aiohttp_by_hand(_place: Place) -> Steps:
    return aiohttp_requests(web.Application(middlewares=[tracing.aiohttp_middleware()]))


@case("aiohttp_server")
def by_aiohttp(_place: Place) -> Steps:
    aiohttp_server.instrument()
    return aiohttp_requests(web.Application())


class TornadoItem(tornado.web.RequestHandler):
    def get(self, n: str) -> None:
        self.write(n)


class TornadoBroken(tornado.web.RequestHandler):
    def get(self, n: str) -> None:
        fail()


@case("web.tornado_server")
async def by_tornado(_place: Place) -> AsyncIterator[list[Expected]]:
    tornado_server.instrument()
    app = tornado.web.Application([("/items/([0-9]+)", TornadoItem), ("/broken/([0-9]+)", TornadoBroken)])
    server = app.listen(0, "127.0.0.1")
    async for step in requests(next(iter(server._sockets.values())).getsockname()[1], ("routed",)):
        yield step
    server.stop()
    await server.close_all_connections()


@case("web.websockets_server [asynchronous]")
async def by_websockets(_place: Place) -> AsyncIterator[list[Expected]]:
    websockets_server.instrument()

    async def serve(connection: Any) -> None:
        if connection.request.path.startswith("/broken"):
            fail()
        await connection.send(await connection.recv())

    async with websockets.asyncio.server.serve(serve, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with websockets.asyncio.client.connect(f"{url}/room?a=1") as connection:
            await connection.send("a")
            await connection.recv()
        yield [expected("http.server", "queried")]
        async with websockets.asyncio.client.connect(f"{url}/broken"):
            pass
        yield [expected("http.server", "failed")]


@case("web.websockets_server [synchronous]")
def by_websockets_sync(_place: Place) -> Steps:
    websockets_server.instrument_sync()
    with websockets.sync.server.serve(lambda found: found.send(found.recv()), "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with websockets.sync.client.connect(f"ws://127.0.0.1:{server.socket.getsockname()[1]}/room") as connection:
            connection.send("a")
            connection.recv()
        yield [expected("http.server")]
        server.shutdown()
        thread.join()
