"""Exceptions and statuses as they were: decorators of every kind of function, servers, and cancelled statements."""

from __future__ import annotations

import asyncio
import sqlite3

import flask
import pytest
import sqlalchemy
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer
from opentelemetry import trace

from devenv import tracing
from devenv.tracing.integrations import sqlalchemy as sqlalchemy_integration
from devenv.tracing.process import patching
from devenv.tracing.spans import error_type
from devenv.tracing.testing import recording


@pytest.fixture
def rec():
    with recording() as opened:
        yield opened
    patching.restore_all()


def decorators(rec):
    return {"api": rec.tracing.tracer("t").start_as_current_span("s"), "traced": tracing.traced("s")}


def inside():
    return trace.get_current_span().name if trace.get_current_span().is_recording() else None


@pytest.mark.parametrize("decorator", ["api", "traced"])
def test_a_coroutine_function_is_decorated_to_its_end(rec, decorator):
    @decorators(rec)[decorator]
    async def work(value):
        await asyncio.sleep(0)
        with tracing.span("child"):
            return value, inside()

    assert asyncio.run(work(5)) == (5, "child")
    assert asyncio.run(work(6)) == (6, "child")
    parents = [span.parent_id for span in rec.spans("child")]
    assert parents == [span.span_id for span in rec.spans("s")]
    assert len(set(parents)) == 2


@pytest.mark.parametrize("decorator", ["api", "traced"])
def test_a_generator_is_decorated_to_its_end_and_not_current_in_its_consumer(rec, decorator):
    @decorators(rec)[decorator]
    def count(most):
        got = []
        for number in range(most):
            try:
                got.append((yield number, inside()))
            except KeyError as error:
                got.append(error)
        return got

    running = count(3)
    assert rec.spans() == []
    assert (next(running), inside()) == ((0, "s"), None)
    assert (running.send("a"), inside()) == ((1, "s"), None)
    assert (running.throw(KeyError("k"))[0], inside()) == (2, None)
    assert rec.spans() == []
    with pytest.raises(StopIteration) as stopped:
        next(running)
    assert (stopped.value.value[0], type(stopped.value.value[1])) == ("a", KeyError)
    assert rec.span("s").status == "unset"

    rec.clear()
    running = count(3)
    next(running)
    running.close()
    assert rec.span("s").status == "unset"

    rec.clear()
    with pytest.raises(ValueError, match="out"):
        raising(decorators(rec)[decorator])
    assert rec.span("s").status == "error"


def raising(decorate):
    @decorate
    def work():
        yield 1
        raise ValueError("out")

    return list(work())


@pytest.mark.parametrize("decorator", ["api", "traced"])
def test_an_asynchronous_generator_ends_with_its_body(rec, decorator):
    @decorators(rec)[decorator]
    async def count(most):
        for number in range(most):
            await asyncio.sleep(0)
            try:
                yield number, inside()
            except KeyError:
                yield "thrown", inside()

    async def consume():
        seen = []
        async for item in count(2):
            seen.append((*item, inside()))
            assert rec.spans() == []
        running = count(3)
        seen.append((await running.asend(None))[0])
        seen.append(await running.athrow(KeyError()))
        await running.aclose()
        return seen

    assert asyncio.run(consume()) == [(0, "s", None), (1, "s", None), 0, ("thrown", "s")]
    assert [span.status for span in rec.spans()] == ["unset", "unset"]


def test_traced_below_an_unsampled_parent_leaves_generators_alone():
    with recording({"sampler": {"type": "parentbased_always_off"}}) as rec:

        @tracing.traced("s")
        def count():
            return (yield 1)

        @tracing.traced("s")
        async def numbers():
            yield 1

        async def consume():
            return [item async for item in numbers()]

        with tracing.span("root"):
            assert list(count()) == [1]
            assert asyncio.run(consume()) == [1]
        assert rec.spans() == []


@pytest.mark.parametrize("provider", ["light", "sdk"])
@pytest.mark.parametrize("current", [False, True])
@pytest.mark.parametrize(("records", "fails"), [(True, True), (False, True), (True, False), (False, False)])
def test_what_a_span_does_with_an_exception_is_the_programs_choice(provider, current, records, fails):
    with recording({"provider": provider}) as rec:
        tracer = rec.tracing.tracer("t")
        start = tracer.start_as_current_span if current else tracer.start_span

        def work():
            with start("s", record_exception=records, set_status_on_exception=fails):
                raise ValueError("x")

        with pytest.raises(ValueError, match="x"):
            work()
        found = rec.span("s")
        assert (len(found.events), found.status == "error") == (int(records), fails)


@pytest.mark.parametrize("by", ["hand", "patch"])
@pytest.mark.parametrize("propagate", [False, True])
def test_flasks_uncaught_exception_is_an_event_once(rec, by, propagate):
    app = flask.Flask("shop")
    app.config["PROPAGATE_EXCEPTIONS"] = propagate

    @app.get("/bad/<number>")
    def bad(number):
        with tracing.span("inner"):
            raise ValueError(number)

    @app.get("/handled")
    def handled():
        raise KeyError("k")

    app.register_error_handler(KeyError, lambda error: ("sorry", 404))
    if by == "hand":
        app.wsgi_app = tracing.WSGIMiddleware(app.wsgi_app)
    else:
        from devenv.tracing.integrations.wsgi import instrument_flask

        instrument_flask()

    def ask(path):
        with app.test_client().get(path) as response:
            response.get_data()
            return response.status_code

    if propagate:
        with pytest.raises(ValueError, match="7"):
            ask("/bad/7")
    else:
        assert ask("/bad/7") == 500
    assert ask("/handled") == 404
    found = rec.span("GET /bad/<number>")
    assert [event[1]["exception.message"] for event in found.events] == ["7"]
    assert (found.attributes["error.type"], found.status) == ("ValueError", "error")
    assert found.status_message == "ValueError: 7"
    assert rec.span("GET /handled").events == ()


def aiohttp_status(rec, handler, *, read=True):
    """The server span of one request to a handler, by the middleware."""

    async def call():
        app = web.Application(middlewares=[tracing.aiohttp_middleware()])
        app.router.add_get("/x", handler)
        async with TestClient(TestServer(app)) as client:
            try:
                async with client.get("/x") as response:
                    if read:
                        await response.read()
            except Exception:  # noqa: BLE001 - the server broke the connection on purpose
                pass
            await asyncio.sleep(0)

    asyncio.run(call())
    (found,) = [span for span in rec.spans() if span.kind == "server"]
    return found


@pytest.mark.filterwarnings("error")
def test_aiohttps_response_that_breaks_keeps_its_status(rec):
    async def handler(request):
        response = web.StreamResponse(status=206)
        await response.prepare(request)
        with tracing.span("inner"):
            await response.write(b"x")
        raise ValueError("late")

    found = aiohttp_status(rec, handler)
    assert found.attributes["http.response.status_code"] == 206
    assert (found.status, found.events[0][1]["exception.message"]) == ("error", "late")


def test_aiohttps_client_that_went_is_no_500(rec):
    async def handler(request):
        request.transport.abort()
        raise ConnectionResetError("Cannot write to closing transport")

    found = aiohttp_status(rec, handler)
    assert "http.response.status_code" not in found.attributes
    assert (found.attributes["error.type"], found.status) == ("ConnectionResetError", "unset")


def test_aiohttps_own_failure_is_still_a_500(rec):
    async def handler(request):
        raise ConnectionResetError("of another connection")

    found = aiohttp_status(rec, handler)
    assert (found.attributes["http.response.status_code"], found.status) == (500, "error")


def test_aiohttps_websocket_that_breaks_keeps_101(rec):
    async def handler(request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        raise ValueError("late")

    async def call():
        app = web.Application(middlewares=[tracing.aiohttp_middleware()])
        app.router.add_get("/x", handler)
        async with (
            TestServer(app) as server,
            ClientSession() as session,
            session.ws_connect(server.make_url("/x")) as socket,
        ):
            await socket.receive()

    asyncio.run(call())
    assert rec.span("GET /x").attributes["http.response.status_code"] == 101


@pytest.mark.parametrize(
    ("messages", "status"),
    [
        ([{"type": "websocket.close", "code": 1000}], 403),
        ([{"type": "websocket.accept"}, {"type": "websocket.close", "code": 1000}], 101),
        ([{"type": "websocket.http.response.start", "status": 401, "headers": []}], 401),
    ],
)
def test_a_websocket_has_the_status_of_its_handshake(rec, messages, status):
    async def app(scope, receive, send):
        for message in messages:
            await send(message)

    async def call():
        scope = {"type": "websocket", "path": "/ws", "headers": [], "scheme": "ws"}
        await tracing.TracingMiddleware(app)(scope, None, lambda message: asyncio.sleep(0))

    asyncio.run(call())
    assert rec.spans()[0].attributes["http.response.status_code"] == status


class Cancelling(sqlite3.Cursor):
    def execute(self, statement, *args):
        if "slow" in statement:
            raise asyncio.CancelledError
        return super().execute(statement, *args)


class Connection(sqlite3.Connection):
    def cursor(self, factory=Cancelling):
        return super().cursor(factory)


@pytest.mark.parametrize("how", ["sqlalchemy", "db_span"])
def test_a_cancelled_statement_has_failed(rec, how):
    if how == "db_span":

        def work():
            with tracing.db_span("sqlite", "SELECT 1 AS slow"):
                raise asyncio.CancelledError
    else:
        engine = sqlalchemy.create_engine("sqlite://", connect_args={"factory": Connection})
        sqlalchemy_integration.instrument(engine)

        def work():
            with engine.connect() as connection:
                connection.execute(sqlalchemy.text("SELECT 1 AS slow"))

    with pytest.raises(asyncio.CancelledError):
        work()
    found = rec.span("SELECT")
    assert (found.status, found.attributes["error.type"]) == ("error", "asyncio.exceptions.CancelledError")
    assert found.events == ()


class ClientDisconnect(Exception):
    """Named as Starlette's."""


def asgi(rec, messages, error, scope=None):
    """The server span of an application that sends the messages and then raises."""

    async def app(scope, receive, send):
        for message in messages:
            await send(message)
        raise error

    async def drop(message):
        pass

    given = {"type": "http", "path": "/x", "method": "GET", "headers": [], "query_string": b"", **(scope or {})}
    with pytest.raises(type(error)) as raised:
        asyncio.run(tracing.TracingMiddleware(app)(given, drop, drop))
    assert raised.value is error
    (span,) = rec.spans()
    return span


START = {"type": "http.response.start", "status": 200, "headers": []}
WEBSOCKET = {"type": "websocket"}


@pytest.mark.parametrize(
    ("messages", "error", "scope", "status"),
    [
        ([], ValueError("x"), None, 500),
        ([START], ValueError("x"), None, 200),
        ([], ClientDisconnect(), None, None),
        ([], ValueError("x"), WEBSOCKET, 500),
        ([{"type": "websocket.accept"}], ValueError("x"), WEBSOCKET, 101),
    ],
)
def test_an_asgi_application_that_raises_before_it_responds_has_the_servers_500(rec, messages, error, scope, status):
    span = asgi(rec, messages, error, scope)
    assert span.attributes.get("http.response.status_code") == status
    assert (span.status, span.attributes["error.type"]) == ("error", error_type(error))
    assert len(span.events) == 1


def test_a_cancelled_asgi_request_has_no_status(rec):
    span = asgi(rec, [], asyncio.CancelledError())
    assert "http.response.status_code" not in span.attributes
    assert (span.status, span.attributes["error.type"]) == ("unset", "asyncio.CancelledError")


def raising_at_once(_environ, _start):
    raise ValueError("x")


def starting_then_raising(_environ, start):
    start("200 OK", [])
    raise ValueError("x")


def raising_before_the_body(_environ, start):
    start("200 OK", [])
    yield b""
    raise ValueError("x")


def raising_in_the_body(_environ, start):
    start("200 OK", [])
    yield b"part"
    raise ValueError("x")


def raising_after_a_write(_environ, start):
    start("201 Created", [])(b"part")
    raise ValueError("x")


@pytest.mark.parametrize(
    ("app", "status"),
    [
        (raising_at_once, 500),
        (starting_then_raising, 500),
        (raising_before_the_body, 500),
        (raising_in_the_body, 200),
        (raising_after_a_write, 201),
    ],
)
def test_a_wsgi_application_that_raises_before_its_headers_are_sent_has_the_servers_500(rec, app, status):
    """PEP 3333: the headers are sent with the first part of the body that is not empty."""
    with pytest.raises(ValueError, match="x"):
        list(tracing.WSGIMiddleware(app)({"REQUEST_METHOD": "GET"}, lambda *_: lambda _part: None))
    (span,) = rec.spans()
    assert span.attributes["http.response.status_code"] == status
    assert (span.status, span.attributes["error.type"], len(span.events)) == ("error", "ValueError", 1)
