"""The libraries of `integrations.py`: for each, calls that are the same with and without its integration.

What is below a library and no part of what is measured is replaced: brokers by what keeps the messages, services by
stubs. A server that cannot be replaced is in another process, unless it is traced itself.
"""

from __future__ import annotations

import asyncio
import io
import multiprocessing
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from types import SimpleNamespace
from typing import Any

Run = Callable[[int], None]


@dataclass(frozen=True)
class Case:
    """A library to measure.

    Attributes:
        name: The library.
        module: Its integration, below `devenv.tracing.integrations`; empty for a span of the program.
        spans: Spans per call.
        make: Prepares the calls, as the library is at this moment, for a block.
        below: Whether a span is current around the calls, as for a client.
        functions: The functions of the integration that begin to trace.
        undo: Ends it, besides what is restored for all.
    """

    name: str
    module: str
    spans: int
    make: Callable[[], AbstractContextManager[Run]]
    below: bool
    functions: tuple[str, ...]
    undo: Callable[[], None]

    def instrument(self) -> None:
        if not self.module:
            _take_span()
            return
        for function in self.functions:
            getattr(import_module(f"devenv.tracing.integrations.{self.module}"), function)()


CASES: dict[str, Case] = {}


def case(
    name: str,
    module: str,
    spans: int = 1,
    below: bool = True,
    functions: tuple[str, ...] = ("instrument",),
    undo: Callable[[], None] = lambda: None,
) -> Any:
    """Register the function below it, a generator of one function that makes a number of calls."""

    def register(function: Callable[[], Iterator[Run]]) -> Callable[[], Iterator[Run]]:
        CASES[name] = Case(name, module, spans, contextmanager(function), below, functions, undo)
        return function

    return register


def repeat(call: Callable[[], Any]) -> Run:
    def run(calls: int) -> None:
        for _ in range(calls):
            call()

    return run


def repeat_async(loop: asyncio.AbstractEventLoop, call: Callable[[], Any]) -> Run:
    async def several(calls: int) -> None:
        for _ in range(calls):
            await call()

    return lambda calls: loop.run_until_complete(several(calls))


@contextmanager
def event_loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    try:
        yield loop
    finally:
        loop.close()


def _serve_mongodb(port: Any) -> None:
    from servers.mongodb import mongodb_server

    with mongodb_server() as server:
        port.put(server.port)
        threading.Event().wait()


_measured = SimpleNamespace(block=nullcontext)


def _take_span() -> None:
    from devenv import tracing

    _measured.block = lambda: tracing.span("own")


def _take_nothing() -> None:
    _measured.block = nullcontext


@case("a span of the program", "", undo=_take_nothing)
def program_spans() -> Iterator[Run]:
    """What the others can be compared with, on a machine of any speed."""
    block = _measured.block

    def work() -> None:
        with block():
            pass

    yield repeat(work)


def _forget_listeners() -> None:
    """pymongo has no way to remove a listener."""
    from pymongo import monitoring

    from devenv.tracing.integrations.databases import pymongo as integration

    monitoring._LISTENERS.command_listeners.clear()
    integration._register.cache_clear()


@case("pymongo", "databases.pymongo", undo=_forget_listeners)
def pymongo_finds() -> Iterator[Run]:
    import pymongo

    port: Any = multiprocessing.Queue()
    process = multiprocessing.Process(target=_serve_mongodb, args=(port,), daemon=True)
    process.start()
    with pymongo.MongoClient("127.0.0.1", port.get(timeout=10)) as client:
        users = client.shop.users
        users.find_one()
        yield repeat(lambda: users.find_one({"name": "ada"}))
    process.terminate()
    process.join()


@case("graphql", "web.graphql")
def graphql_queries() -> Iterator[Run]:
    from graphql import build_schema, execute_sync, parse

    schema = build_schema("type Query { item(name: String): String }")
    root = {"item": lambda _info, name: name}
    document = parse('query Find { item(name: "pen") }')
    yield repeat(lambda: execute_sync(schema, document, root))


@case("jinja2", "web.jinja2")
def jinja2_renders() -> Iterator[Run]:
    import jinja2

    environment = jinja2.Environment(autoescape=True)
    template = environment.from_string("{% for item in items %}{{ item }}, {% endfor %}")
    yield repeat(lambda: template.render(items=range(10)))


@case("falcon", "web.falcon", below=False)
def falcon_requests() -> Iterator[Run]:
    import falcon

    class Pens:
        def on_get(self, request: Any, response: Any, item: str) -> None:
            response.text = item

    app = falcon.App()
    app.add_route("/pens/{item}", Pens())
    environ = {
        "REQUEST_METHOD": "GET", "PATH_INFO": "/pens/1", "QUERY_STRING": "", "SERVER_NAME": "h", "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(), "HTTP_HOST": "h",
        "wsgi.errors": io.StringIO(), "REMOTE_ADDR": "127.0.0.1", "SCRIPT_NAME": "",
    }  # fmt: skip

    def ask() -> None:
        body = app(dict(environ), lambda *_: None)
        list(body)
        if hasattr(body, "close"):
            body.close()

    yield repeat(ask)


@case("tornado server", "web.tornado_server", below=False)
def tornado_requests() -> Iterator[Run]:
    yield from _tornado()


@case("tornado client", "web.tornado_client")
def tornado_fetches() -> Iterator[Run]:
    yield from _tornado()


def _tornado() -> Iterator[Run]:
    from tornado.httpclient import AsyncHTTPClient
    from tornado.httpserver import HTTPServer
    from tornado.netutil import bind_sockets
    from tornado.web import Application, RequestHandler

    class Pen(RequestHandler):
        def get(self) -> None:
            self.write("pen")

    async def begin() -> tuple[Any, Any, str]:
        server = HTTPServer(Application([("/pens", Pen)]))
        (socket,) = bind_sockets(0, "127.0.0.1")
        server.add_socket(socket)
        return server, AsyncHTTPClient(force_instance=True), f"http://127.0.0.1:{socket.getsockname()[1]}/pens"

    with event_loop() as loop:
        server, client, url = loop.run_until_complete(begin())
        yield repeat_async(loop, lambda: client.fetch(url))
        server.stop()
        loop.run_until_complete(server.close_all_connections())


@case("websockets server", "web.websockets_server", below=False)
def websockets_connections() -> Iterator[Run]:
    yield from _websockets()


@case("websockets client", "web.websockets_client")
def websockets_handshakes() -> Iterator[Run]:
    yield from _websockets()


def _websockets() -> Iterator[Run]:
    import websockets.asyncio.client
    import websockets.asyncio.server

    async def echo(connection: Any) -> None:
        async for message in connection:
            await connection.send(message)

    with event_loop() as loop:

        async def begin() -> Any:
            return await websockets.asyncio.server.serve(echo, "127.0.0.1", 0)

        server = loop.run_until_complete(begin())
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"

        async def talk() -> None:
            async with websockets.asyncio.client.connect(url) as connection:
                await connection.send("x")
                await connection.recv()

        yield repeat_async(loop, talk)
        server.close()
        loop.run_until_complete(server.wait_closed())


@case("grpc", "rpc.grpc", spans=2)
def grpc_calls() -> Iterator[Run]:
    import grpc

    handlers = {"One": grpc.unary_unary_rpc_method_handler(lambda request, _servicer: request)}
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("a.B", handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        one = channel.unary_unary("/a.B/One")
        one(b"x")
        yield repeat(lambda: one(b"x"))
    server.stop(0).wait(5)


@case("grpc.aio", "rpc.grpc", spans=2)
def grpc_aio_calls() -> Iterator[Run]:
    import grpc

    async def answer(request: bytes, _servicer: Any) -> bytes:
        return request

    async def begin() -> tuple[Any, Any, Any]:
        server = grpc.aio.server()
        handlers = {"One": grpc.unary_unary_rpc_method_handler(answer)}
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("a.B", handlers)])
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
        return server, channel, channel.unary_unary("/a.B/One")

    with event_loop() as loop:
        server, channel, one = loop.run_until_complete(begin())
        yield repeat_async(loop, lambda: one(b"x"))
        loop.run_until_complete(channel.close())
        loop.run_until_complete(server.stop(0))


@case("botocore", "rpc.botocore")
def botocore_operations() -> Iterator[Run]:
    import boto3
    from botocore.stub import Stubber

    client = boto3.client("sqs", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    stub = Stubber(client)

    def ask() -> None:
        stub.add_response("list_queues", {"QueueUrls": ["u"]})
        client.list_queues()

    with stub:
        yield repeat(ask)
