"""Each integration with its real library, over loopback where it speaks to a network."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import sqlite3
import subprocess
import sys
import textwrap
import threading
import types
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import StreamRequestHandler, ThreadingTCPServer

import aiohttp
import httpx
import pytest
import redis
import requests
import sqlalchemy
from aiohttp import web

from devenv import tracing
from devenv.tracing.integrations import (
    aiohttp_client,
    httpx_client,
    log_records,
    patching,
    requests_client,
    sqlite,
    threads,
    wsgi,
)
from devenv.tracing.integrations import redis as redis_integration
from devenv.tracing.integrations import sqlalchemy as sqlalchemy_integration
from devenv.tracing.integrations.dbapi import TracedConnection
from devenv.tracing.testing import assert_trace, recording

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


@pytest.fixture
def rec():
    with recording({"service_name": "lib"}) as made:
        yield made


@pytest.fixture
def patched():
    yield
    patching.restore_all()


@pytest.fixture
def upstream():
    """An HTTP server that keeps the headers it got; /500 fails."""
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            got.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(500 if self.path.startswith("/500") else 200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield types.SimpleNamespace(url=f"http://127.0.0.1:{server.server_port}", got=got)
    server.shutdown()
    server.server_close()


async def with_aiohttp(url):
    configs = [tracing.aiohttp_trace_config()]
    async with aiohttp.ClientSession(trace_configs=configs) as session, session.get(url) as response:
        return response.status


async def with_patched_aiohttp(url):
    aiohttp_client.instrument()
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status


async def with_httpx(url):
    async with httpx.AsyncClient(transport=tracing.AsyncHTTPXTransport()) as client:
        return (await client.get(url)).status_code


async def with_httpx_sync(url):
    with httpx.Client(transport=tracing.HTTPXTransport()) as client:
        return client.get(url).status_code  # noqa: ASYNC212 - the server has a thread of its own


async def with_patched_httpx(url):
    httpx_client.instrument()
    async with httpx.AsyncClient() as client:
        return (await client.get(url)).status_code


async def with_patched_httpx_sync(url):
    httpx_client.instrument()
    return httpx.get(url).status_code  # noqa: ASYNC210 - the server has a thread of its own


async def with_requests(url):
    with requests.Session() as session:
        session.mount("http://", requests_client.TracedAdapter())
        return session.get(url).status_code


async def with_patched_requests(url):
    requests_client.instrument()
    return requests.get(url, timeout=5).status_code  # noqa: ASYNC210 - the server has a thread of its own


CLIENTS = [
    with_aiohttp,
    with_patched_aiohttp,
    with_httpx,
    with_httpx_sync,
    with_patched_httpx,
    with_patched_httpx_sync,
    with_requests,
    with_patched_requests,
]


@pytest.mark.parametrize("get", CLIENTS)
async def test_http_clients(rec, patched, upstream, get):
    with tracing.attached({"traceparent": f"00-{TRACE}-{PARENT}-01", "baggage": "k=v"}), tracing.span("caller"):
        assert await get(f"{upstream.url}/a?token=abc") == 200
        assert await get(f"{upstream.url}/500") == 500
    caller = rec.span("caller")
    good, bad = rec.spans("GET")
    assert good.parent_id == bad.parent_id == caller.span_id
    assert (good.kind, good.status, bad.status) == ("client", "unset", "error")
    assert good.attributes["url.full"] == f"{upstream.url}/a?token=[REDACTED]"
    assert good.attributes["server.address"] == "127.0.0.1"
    assert str(good.attributes["server.port"]) == upstream.url.rpartition(":")[2]
    assert (good.attributes["http.response.status_code"], bad.attributes["error.type"]) == (200, "500")
    assert [headers["traceparent"] for headers in upstream.got] == [
        f"00-{TRACE}-{span.span_id}-01" for span in (good, bad)
    ]
    assert all(headers["baggage"] == "k=v" for headers in upstream.got)


@pytest.mark.parametrize("get", CLIENTS)
async def test_http_clients_below_an_unsampled_parent(rec, patched, upstream, get):
    with tracing.attached({"traceparent": f"00-{TRACE}-{PARENT}-00"}):
        await get(upstream.url)
        await get(upstream.url)
    assert rec.spans() == []
    first, second = (headers["traceparent"] for headers in upstream.got)
    assert first.startswith(f"00-{TRACE}-")
    assert first.endswith("-00")
    assert first != second


@pytest.mark.parametrize("get", CLIENTS)
async def test_http_clients_that_reach_nobody(rec, patched, get):
    with pytest.raises((OSError, httpx.ConnectError)):
        await get("http://127.0.0.1:1/")
    found = rec.span("GET")
    assert found.status == "error"
    assert found.attributes["error.type"]
    assert found.events[0][0] == "exception"


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


def test_requests_errors_are_raised_as_they_are(rec, patched):
    requests_client.instrument()
    with pytest.raises(requests.ConnectionError):
        requests.get("http://127.0.0.1:1/", timeout=2)
    assert rec.span("GET").attributes["error.type"] == "requests.exceptions.ConnectionError"


def test_sqlalchemy(rec):
    engine = sqlalchemy.create_engine("sqlite://")
    sqlalchemy_integration.instrument(engine)
    sqlalchemy_integration.instrument(engine)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE t (a TEXT)"))
        connection.execute(sqlalchemy.text("INSERT INTO t VALUES (:a)"), {"a": "secret"})
    with engine.connect() as connection, pytest.raises(sqlalchemy.exc.OperationalError):
        connection.execute(sqlalchemy.text("SELECT * FROM missing"))
    assert [(span.name, span.status) for span in rec.spans()] == [
        ("CREATE t", "unset"),
        ("INSERT t", "unset"),
        ("SELECT missing", "error"),
    ]
    assert rec.span("INSERT t").attributes["db.system.name"] == "sqlite"
    assert "secret" not in str(rec.spans())
    assert not tracing.current_span().is_recording()
    sqlalchemy_integration.uninstrument(engine)
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text("SELECT 1"))
    assert len(rec.spans()) == 3


def test_dbapi(rec):
    connection = TracedConnection(sqlite3.connect(":memory:"), "sqlite", "main")
    with connection, connection.cursor() as cursor:
        assert cursor.execute("CREATE TABLE t (a)") is cursor
        cursor.executemany("INSERT INTO t VALUES (?)", [("x",), ("y",)])
        assert [row[0] for row in cursor.execute("SELECT a FROM t")] == ["x", "y"]
        assert cursor.rowcount == -1
    connection.commit()
    connection.rollback()
    assert [span.name for span in rec.spans()] == ["CREATE t", "INSERT t", "SELECT t", "COMMIT", "ROLLBACK"]
    assert connection.total_changes == 2


def test_sqlite3_without_a_change_of_code(rec, patched):
    sqlite.instrument()
    with sqlite3.connect(":memory:") as connection:
        connection.execute("SELECT 1")
    assert rec.span("SELECT").attributes["db.namespace"] == ":memory:"

    class Own(sqlite3.Connection):
        pass

    assert type(sqlite3.connect(":memory:", factory=Own)) is Own


@pytest.fixture
def redis_port():
    """Answers every command with +OK, and -ERR to `BAD`; enough of RESP for a client."""

    class Handler(StreamRequestHandler):
        def handle(self):
            while line := self.rfile.readline():
                words = []
                for _ in range(int(line[1:])):
                    size = int(self.rfile.readline()[1:])
                    words.append(self.rfile.read(size + 2)[:-2])
                if words[0] == b"HELLO":
                    self.wfile.write(b"-ERR unknown command\r\n")
                elif words[0] == b"BAD":
                    self.wfile.write(b"-ERR bad\r\n")
                else:
                    self.wfile.write(b"+OK\r\n")

    server = ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def test_redis(rec, patched, redis_port):
    redis_integration.instrument()
    client = redis.Redis(port=redis_port, host="127.0.0.1", protocol=2)
    client.set("user:1", "secret")
    pipeline = client.pipeline(transaction=False)
    pipeline.set("a", "secret")
    pipeline.set("b", "secret")
    pipeline.execute()
    with pytest.raises(redis.ResponseError):
        client.execute_command("BAD")
    client.close()

    async def main():
        asynchronous = redis.asyncio.Redis(port=redis_port, host="127.0.0.1", protocol=2)
        await asynchronous.set("k", "secret")
        batch = asynchronous.pipeline(transaction=False)
        batch.set("c", "secret")
        await batch.execute()
        await asynchronous.aclose()

    asyncio.run(main())
    assert [(span.name, span.status) for span in rec.spans()] == [
        ("SET", "unset"),
        ("PIPELINE", "unset"),
        ("BAD", "error"),
        ("SET", "unset"),
        ("PIPELINE", "unset"),
    ]
    first, batch = rec.spans()[:2]
    assert first.attributes == {
        "db.system.name": "redis",
        "db.operation.name": "SET",
        "db.query.text": "SET ? ?",
        "server.address": "127.0.0.1",
        "server.port": redis_port,
        "db.namespace": "0",
    }
    assert (batch.attributes["db.operation.batch.size"], batch.attributes["db.query.text"]) == (2, "SET ? ?\nSET ? ?")
    assert "secret" not in str(rec.spans())


def test_threads_and_executors(rec, patched):
    def work(name):
        with tracing.span(name):
            pass

    with tracing.span("own"), tracing.TracedExecutor(1) as pool:
        pool.submit(work, "traced executor").result()
    threads.instrument()
    with tracing.span("caller"):
        with ThreadPoolExecutor(1) as pool:
            pool.submit(work, "executor").result()
        thread = threading.Thread(target=work, args=("thread",))
        thread.start()
        thread.join()
    assert rec.span("traced executor").parent_id == rec.span("own").span_id
    assert rec.span("executor").parent_id == rec.span("thread").parent_id == rec.span("caller").span_id


def test_log_records_and_lines(rec, patched):
    before = logging.getLogRecordFactory()
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    log = logging.getLogger("test_log_records")
    log.propagate = False
    log.addHandler(handler)
    try:
        log_records.instrument_lines()
        log_records.instrument_lines()
        log.warning("outside")
        with tracing.span("s") as span:
            log.warning("inside %s", 1)
            try:
                raise ValueError("x")
            except ValueError:
                log.exception("failed")
            context = span.get_span_context()
        record = logging.getLogger("x").makeRecord("x", 20, "f", 1, "m", (), None)
        assert (record.trace_id, record.trace_sampled, record.service_name) == ("", False, "lib")
    finally:
        logging.setLogRecordFactory(before)
    ids = f"trace_id={context.trace_id:032x} span_id={context.span_id:016x}"
    lines = stream.getvalue().splitlines()
    assert lines[:2] == ["WARNING outside", f"WARNING inside 1 {ids}"]
    assert lines[2] == f"ERROR failed {ids}"
    assert lines[-1] == "ValueError: x"


def run(code, tmp_path, **environ):
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "OTEL_TRACES_EXPORTER": "console", **environ},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    return result


def test_auto_traces_what_the_program_imports_and_imports_nothing_itself(tmp_path, upstream):
    code = f"""
        import sys
        from devenv import tracing
        tracing.auto(service_name="auto", leave_out=["sqlalchemy"])
        assert not {{"aiohttp", "httpx", "requests", "flask", "starlette", "redis", "sqlalchemy"}} & set(sys.modules)
        import logging, sqlite3
        logging.basicConfig(stream=sys.stdout, format="%(message)s")
        import httpx
        import asyncio
        from starlette.applications import Starlette
        from starlette.responses import PlainTextResponse
        from starlette.routing import Route

        async def endpoint(request):
            logging.warning("working")
            sqlite3.connect(":memory:").execute("SELECT 1")
            async with httpx.AsyncClient() as client:
                await client.get("{upstream.url}")
            return PlainTextResponse("ok")

        app = Starlette(routes=[Route("/do", endpoint)])

        async def main():
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://app") as client:
                assert (await client.get("/do")).status_code == 200

        asyncio.run(main())
        import sqlalchemy
        from sqlalchemy import event
        assert not sqlalchemy.create_engine("sqlite://").dispatch.before_cursor_execute
    """
    result = run(code, tmp_path)
    for name in ('"name":"GET /do"', '"name":"SELECT"', '"name":"GET"'):
        assert name in result.stderr
    trace_id = upstream.got[0]["traceparent"].split("-")[1]
    assert f"working trace_id={trace_id}" in result.stdout
    assert result.stderr.count(trace_id) >= 3


def test_auto_survives_a_library_that_it_does_not_know(tmp_path):
    (tmp_path / "redis.py").write_text("Redis = None\n")
    code = """
        from devenv import tracing
        tracing.auto(service_name="auto")
        import redis
        assert redis.Redis is None
        import flask, uvicorn, aiohttp.web, requests
        assert flask.__spec__.loader.get_filename()
    """
    assert "redis is not traced" in run(code, tmp_path).stderr


def test_import_is_light(tmp_path):
    code = """
        import sys
        import devenv.tracing
        assert not [name for name in sys.modules if name.startswith(("opentelemetry", "yaml", "aiohttp"))]
        tracing = devenv.tracing
        tracing.setup(service_name="s", environ={"OTEL_TRACES_EXPORTER": "none"})
        with tracing.span("x"):
            pass
        heavy = {"opentelemetry.sdk", "requests", "google.protobuf", "pydantic", "httpx", "aiohttp", "asyncio.events"}
        assert not heavy - {"asyncio.events"} & set(sys.modules), heavy & set(sys.modules)
    """
    run(code, tmp_path)


def test_every_public_name_is_there():
    for name in tracing.__all__:
        assert getattr(tracing, name) is not None
    assert set(tracing._WHERE) == set(tracing.__all__)
    with pytest.raises(AttributeError):
        _ = tracing.nothing
