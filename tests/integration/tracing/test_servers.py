"""aiohttp's server and WSGI with their real libraries."""

from __future__ import annotations

import io
import sys

import aiohttp
import pytest
from aiohttp import web

from devenv import tracing
from devenv.tracing.integrations import wsgi
from devenv.tracing.testing import assert_trace

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


async def test_aiohttp_server(rec):
    async def item(request):
        with tracing.span("business"):
            return web.Response(text="ok")

    async def missing(request):
        raise web.HTTPNotFound

    async def broken(request):
        raise ValueError("password=1")

    app = web.Application(middlewares=[tracing.aiohttp_middleware(trace_response=True)])
    app.router.add_get("/items/{item_id}", item)
    app.router.add_get("/missing", missing)
    app.router.add_get("/broken", broken)
    app.router.add_get("/healthz", item)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with aiohttp.ClientSession() as session:
        answers = []
        for path, flag in (
            ("items/1?token=x", "01"),
            ("missing", "01"),
            ("broken", "01"),
            ("nowhere", "01"),
            ("items/1", "00"),
        ):
            headers = {"traceparent": f"00-{TRACE}-{PARENT}-{flag}", "baggage": "devenv.request=r1"}
            async with session.get(f"{url}/{path}", headers=headers) as response:
                answers.append((response.status, response.headers.get("traceresponse", "")))
        async with session.get(f"{url}/healthz"):
            pass
    await runner.cleanup()
    assert [status for status, _ in answers] == [200, 404, 500, 404, 200]
    assert_trace(
        rec.spans(),
        """
        GET /items/{item_id} [server]
          business
        GET /missing [server]
        GET /broken [server] !
        GET [server]
        """,
    )
    first = rec.span("GET /items/{item_id}")
    assert (first.trace_id, first.parent_id, first.attributes["devenv.request"]) == (TRACE, PARENT, "r1")
    assert first.attributes["url.query"] == "token=[REDACTED]"
    assert answers[0][1] == f"00-{TRACE}-{first.span_id}-01"
    assert answers[1][1] == f"00-{TRACE}-{rec.span('GET /missing').span_id}-01"
    assert answers[4][1].endswith("-00")


def ask_wsgi(app, path="/", headers=(), **environ):
    started = []
    given = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "web.test",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "10.0.0.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers},
        **environ,
    }
    body = app(given, lambda status, sent, *more: started.append((status, dict(sent))))
    content = b"".join(body)
    if hasattr(body, "close"):
        body.close()
    return started[0], content


def test_wsgi(rec):
    def app(environ, start_response):
        if environ["PATH_INFO"] == "/broken":
            raise ValueError("x")
        start_response("503 Busy" if environ["PATH_INFO"] == "/busy" else "200 OK", [])

        def parts():
            with tracing.span("streaming"):
                yield b"o"
            if environ["PATH_INFO"] == "/late":
                raise KeyError("late")
            yield b"k"

        return parts()

    traced = tracing.WSGIMiddleware(tracing.WSGIMiddleware(app), trace_response=True)
    headers = [("traceparent", f"00-{TRACE}-{PARENT}-01"), ("baggage", "devenv.request=r1"), ("user-agent", "curl")]
    (status, sent), content = ask_wsgi(traced, "/a", headers, QUERY_STRING="token=x")
    assert (status, content) == ("200 OK", b"ok")
    (found,) = rec.spans("GET")
    assert sent["traceresponse"] == f"00-{TRACE}-{found.span_id}-01"
    assert (found.kind, found.parent_id) == ("server", PARENT)
    assert found.attributes == {
        "http.request.method": "GET",
        "url.path": "/a",
        "url.scheme": "http",
        "url.query": "token=[REDACTED]",
        "server.address": "web.test",
        "server.port": 80,
        "client.address": "10.0.0.1",
        "network.peer.address": "10.0.0.1",
        "network.protocol.version": "1.1",
        "user_agent.original": "curl",
        "devenv.request": "r1",
        "http.response.status_code": 200,
    }
    rec.clear()
    ask_wsgi(traced, "/busy")
    with pytest.raises(ValueError, match="x"):
        ask_wsgi(traced, "/broken")
    assert [span.status for span in rec.spans("GET")] == ["error", "error"]
    assert rec.spans("streaming")[0].parent_id == rec.spans("GET")[0].span_id
    rec.clear()
    both = f"00-{TRACE}-{PARENT}-01"
    ask_wsgi(traced, "/a", [("traceparent", f"{both},{both}")])
    assert rec.span("GET").trace_id != TRACE
    ask_wsgi(traced, "/a", [("traceparent", f"00-{TRACE}-{PARENT}-00")])
    ask_wsgi(traced, "/healthz")
    assert len(rec.spans("GET")) == 1


PROXIES = {"host": "inner:1", "x-forwarded-for": "203.0.113.7, 198.51.100.3", "x-forwarded-proto": "https",
           "forwarded": "host=shop.test"}  # fmt: skip


@pytest.mark.parametrize(
    ("trusted", "client", "peer"),
    [
        ("127.0.0.1", "198.51.100.3", None),  # uvicorn's own choice, which the application sees
        ("*", "203.0.113.7", None),
        ("10.0.0.1", "203.0.113.7", "127.0.0.1"),
    ],
)
async def test_uvicorn_has_the_client_that_its_proxy_headers_give(rec, patched, trusted, client, peer):
    import uvicorn

    from devenv.tracing.integrations import asgi_servers

    async def app(scope, receive, send):
        seen.append(scope["client"][0])
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def nothing(*_):
        return None

    seen = []
    asgi_servers.instrument_uvicorn()
    config = uvicorn.Config(app, forwarded_allow_ips=trusted, log_config=None)
    config.load()
    fields = [(name.encode(), value.encode()) for name, value in PROXIES.items()]
    scope = {"type": "http", "method": "GET", "path": "/", "scheme": "http", "headers": fields,
             "client": ("127.0.0.1", 9), "asgi": {"version": "3.0"}}  # fmt: skip
    await config.loaded_app(scope, nothing, nothing)
    found = rec.span("GET").attributes
    assert (found["client.address"], found.get("network.peer.address")) == (client, peer)
    assert (found["url.scheme"], found["server.address"], found["server.port"]) == ("https", "shop.test", 443)
    assert seen == [peer or client]


async def test_aiohttp_server_behind_a_proxy(rec):
    async def item(request):
        return web.Response(text="ok")

    app = web.Application(middlewares=[tracing.aiohttp_middleware()])
    app.router.add_get("/", item)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{runner.addresses[0][1]}/", headers=PROXIES),
    ):
        pass
    await runner.cleanup()
    found = rec.span("GET /").attributes
    assert (found["client.address"], found["network.peer.address"]) == ("203.0.113.7", "127.0.0.1")
    assert found["network.peer.port"] > 1
    assert (found["url.scheme"], found["server.address"], found["server.port"]) == ("https", "shop.test", 443)


def test_flask_behind_werkzeugs_proxy_fix(rec, patched):
    import flask
    from werkzeug.middleware.proxy_fix import ProxyFix

    wsgi.instrument_flask()
    app = flask.Flask("f")
    app.wsgi_app = ProxyFix(app.wsgi_app)
    headers = {"X-Forwarded-For": "203.0.113.7, 198.51.100.3", "X-Forwarded-Proto": "https"}
    assert app.test_client().get("/", headers=headers).data
    found = rec.span("GET").attributes
    assert (found["client.address"], found["network.peer.address"]) == ("198.51.100.3", "127.0.0.1")
    assert (found["url.scheme"], found["server.address"], found["server.port"]) == ("https", "localhost", 443)


def test_wsgi_paths_have_the_characters_that_the_client_sent(rec):
    def sent(text):
        return text.encode().decode("latin-1")

    def app(environ, start_response):
        start_response("200 OK", [])
        return [b""]

    traced = tracing.WSGIMiddleware(app)
    ask_wsgi(traced, sent("/café/日本"), SCRIPT_NAME=sent("/größe"), QUERY_STRING=sent("q=ü"))
    ask_wsgi(traced, "/\xff", SCRIPT_NAME="")
    ask_wsgi(traced, "/日本", SCRIPT_NAME="")  # not by the rule of PEP 3333
    assert [span.attributes["url.path"] for span in rec.spans()] == ["/größe/café/日本", "/\ufffd", "/日本"]
    assert rec.spans()[0].attributes["url.query"] == "q=ü"


@pytest.mark.parametrize("outside", [False, True])
def test_flask_below_werkzeugs_dispatcher(rec, patched, outside):
    import flask
    from werkzeug.middleware.dispatcher import DispatcherMiddleware
    from werkzeug.test import Client

    def below(name):
        app = flask.Flask(name)

        @app.get("/items/<int:item_id>")
        def item(item_id):
            return str(item_id)

        @app.get("/broken")
        def broken():
            raise ValueError("x")

        return app

    if not outside:
        wsgi.instrument_flask()
    served = DispatcherMiddleware(below("front"), {"/api/v1": below("api")})
    if outside:
        served = tracing.WSGIMiddleware(served)
    for path in ("/api/v1/items/7", "/items/7", "/api/v1/broken", "/api/v1/nowhere"):
        assert Client(served).get(path).data
    assert [(span.attributes.get("http.route"), span.attributes["url.path"]) for span in rec.spans()] == [
        ("/api/v1/items/<int:item_id>", "/api/v1/items/7"),
        ("/items/<int:item_id>", "/items/7"),
        ("/api/v1/broken", "/api/v1/broken"),
        (None, "/api/v1/nowhere"),
    ]


def test_a_body_that_is_closed_early_leaves_no_context_behind(rec):
    def app(environ, start_response):
        start_response("200 OK", [])

        def parts():
            with tracing.span("part"):
                yield b"a"

        return parts()

    body = tracing.WSGIMiddleware(app)({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, lambda status, headers: None)
    assert next(iter(body)) == b"a"
    body.close()
    assert tracing.current_ids() == ("", "")
    assert_trace(rec.spans(), "GET [server]\n  part")


def test_flask(rec, patched):
    import flask

    wsgi.instrument_flask()
    app = flask.Flask("f")

    @app.get("/items/<int:item_id>")
    def item(item_id):
        with tracing.span("business"):
            return str(item_id)

    assert app.test_client().get("/items/7").data == b"7"
    assert_trace(rec.spans(), "GET /items/<int:item_id> [server]\n  business")
