"""Which requests of servers are measured, and with which attributes: recorded or not, by every framework."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from metric_programs.measured import series
from tornado.httpclient import AsyncHTTPClient
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler

from devenv.tracing.active import state
from devenv.tracing.asgi import TracingMiddleware
from devenv.tracing.integrations.on_import import when_imported
from devenv.tracing.integrations.web import tornado_server
from devenv.tracing.integrations.wsgi import WSGIMiddleware
from devenv.tracing.light import notices
from devenv.tracing.process import patching
from devenv.tracing.testing import recording

ASKED = {"metrics": {"exporter": "otlp"}, "exporter": {"endpoint": "http://127.0.0.1:9/v1/traces"}}
GET = {
    "http.request.method": "GET",
    "url.scheme": "http",
    "http.response.status_code": 200,
    "network.protocol.version": "1.1",
}


@pytest.fixture(params=[0.0, 1.0], ids=["unsampled", "sampled"])
def recorded(request):
    with recording({**ASKED, "sampler": {"ratio": request.param}}):
        yield
    patching.restore_all()


def serve(app: Any, **scope: Any) -> list[Any]:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    found = {
        "type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b"", "scheme": "http",
        "http_version": "1.1", **scope,
    }  # fmt: skip
    asyncio.run(app(found, receive, send))
    return sent


async def answers(scope, _receive, send) -> None:
    await send({"type": "http.response.start", "status": int(scope.get("status", 200)), "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.mark.usefixtures("recorded")
def test_an_asgi_request_is_measured_once_recorded_or_not():
    app = TracingMiddleware(TracingMiddleware(answers))
    assert [message["type"] for message in serve(app)] == ["http.response.start", "http.response.body"]
    serve(app, status=503)
    serve(app, path="/healthz")
    serve(app, method="BREW", headers=[(b"x-forwarded-proto", b"https")])
    assert series() == [
        (GET, 1),
        ({**GET, "http.response.status_code": 503, "error.type": "503"}, 1),
        ({**GET, "http.request.method": "_OTHER", "url.scheme": "https"}, 1),
    ]


@pytest.mark.usefixtures("recorded")
def test_a_meter_that_fails_is_told_and_changes_nothing(caplog):
    def fail(*_: Any) -> None:
        raise RuntimeError("planted")

    notices.forget()
    assert state.meter is not None
    state.meter.server = state.meter.collect = fail  # type: ignore[method-assign] # planted
    assert len(serve(TracingMiddleware(answers))) == 2
    request(WSGIMiddleware(lambda _environ, start: [start("200 OK", []) and b"x"]))
    assert state.tracing is not None
    assert state.tracing.force_flush(5)
    told = [record.getMessage() for record in caplog.records]
    assert told == [
        f"cannot trace {what}: RuntimeError: planted" for what in ("the duration of a request", "durations")
    ]


class ClientDisconnect(Exception):
    """As Starlette's."""


@pytest.mark.usefixtures("recorded")
def test_the_error_of_an_asgi_request():
    async def failing(scope, _receive, send) -> None:
        if scope["started"]:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise scope["error"]

    app = TracingMiddleware(failing)
    for started, error in (
        (False, ValueError()),
        (True, ValueError()),
        (False, ClientDisconnect()),
        (False, asyncio.CancelledError()),
    ):
        with pytest.raises(type(error)):
            serve(app, started=started, error=error)
    found = [(one.get("http.response.status_code"), one["error.type"]) for one, _ in series()]
    assert found == [
        (500, "500"),
        (200, "ValueError"),
        (None, f"{__name__}.ClientDisconnect"),
        (None, "asyncio.CancelledError"),
    ]


@pytest.mark.usefixtures("recorded")
def test_a_websocket_and_a_lifespan_are_not_requests():
    async def app(_scope, _receive, _send) -> None:
        return

    for kind in ("websocket", "lifespan"):
        serve(TracingMiddleware(app), type=kind)
    assert series() == []


def request(app: Any, **environ: Any) -> None:
    found = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "wsgi.url_scheme": "http", "SERVER_PROTOCOL": "HTTP/1.1"}
    body = app({**found, **environ}, lambda *_: lambda _part: None)
    try:
        list(body)
    finally:
        body.close()


@pytest.mark.usefixtures("recorded")
def test_a_wsgi_request_is_measured_once_to_the_end_of_its_body():
    def app(environ, start_response):
        start_response(environ.get("STATUS", "200 OK"), [])
        yield b"one"
        assert series() == before
        if "ERROR" in environ:
            raise ValueError("late")

    before: list[Any] = []
    served = WSGIMiddleware(WSGIMiddleware(app))
    request(served)
    before = series()
    request(served, PATH_INFO="/readyz")
    request(served, HTTP_FORWARDED="proto=https", STATUS="404 Not Found")
    before = series()
    with pytest.raises(ValueError, match="late"):
        request(served, ERROR="1")
    assert series() == [
        (GET, 1),
        ({**GET, "url.scheme": "https", "http.response.status_code": 404}, 1),
        ({**GET, "error.type": "ValueError"}, 1),
    ]


class Item(RequestHandler):
    def get(self, number: str) -> None:
        if number == "0":
            raise ValueError(number)
        self.write(number)


@pytest.mark.usefixtures("recorded")
def test_tornados_requests():
    tornado_server.instrument()

    async def main() -> None:
        socket, port = bind_unused_port()
        server = HTTPServer(Application([(r"/items/(\d+)", Item)]))
        server.add_socket(socket)
        for path in ("/items/1", "/items/0", "/healthz", "/missing"):
            await AsyncHTTPClient().fetch(f"http://127.0.0.1:{port}{path}", raise_error=False)
        server.stop()

    asyncio.run(main())
    routed = {**GET, "http.route": r"/items/(\d+)"}
    assert [found for found in series() if "url.scheme" in found[0]] == [
        (routed, 1),
        ({**routed, "http.response.status_code": 500, "error.type": "500"}, 1),
        ({**GET, "http.response.status_code": 404}, 1),
    ]


def test_nothing_is_replaced_without_metrics():
    before = TracingMiddleware.__call__
    with recording({}):
        when_imported("devenv.tracing.asgi", "nothing", lambda: None)
        assert TracingMiddleware.__call__ is before
        serve(TracingMiddleware(answers))
