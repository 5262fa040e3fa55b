"""One span for each operation, under one parent, where two integrations or two instrumentations meet in one program."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import aiosqlite
import httpx
import pytest
import requests
import sqlalchemy
import urllib3
from aiohttp import web
from aiohttp.test_utils import TestServer
from opentelemetry import context as otel
from sqlalchemy.ext.asyncio import create_async_engine
from traced_programs import clean, serving

from devenv import tracing
from devenv.tracing.integrations import (
    aiohttp_client,
    aiohttp_server,
    httpx_client,
    on_import,
    requests_client,
    sqlite,
    threads,
    urllib3_client,
    urllib_client,
)
from devenv.tracing.integrations import aiosqlite as aiosqlite_integration
from devenv.tracing.integrations import redis as redis_integration
from devenv.tracing.integrations import sqlalchemy as sqlalchemy_integration
from devenv.tracing.testing import assert_trace

HTTP = "_SUPPRESS_HTTP_INSTRUMENTATION_KEY"
ALL = "_SUPPRESS_INSTRUMENTATION_KEY"
FASTAPI = """
    import os
    from devenv import tracing
    tracing.auto(service_name="shop")
    from fastapi import BackgroundTasks, Depends, FastAPI

    app = FastAPI()

    def depends():
        return 1

    @app.get("/items/{number}")
    async def item(number: int, found: int = Depends(depends)):
        return {"number": number}
"""


@contextmanager
def suppressing(*names: str) -> Iterator[None]:
    """What OpenTelemetry's own exporters and instrumentations do around a call."""
    context = otel.get_current()
    for name in names:
        context = otel.set_value(getattr(otel, name, name), True, context)
    token = otel.attach(context)
    try:
        yield
    finally:
        otel.detach(token)


SERVERS = {
    "uvicorn": ("-m", "uvicorn", "app:app", "--port", "{port}"),
    "uvicorn workers": ("-m", "uvicorn", "app:app", "--port", "{port}", "--workers", "2"),
    "uvicorn reload": ("-m", "uvicorn", "app:app", "--port", "{port}", "--reload"),
    "hypercorn": ("-m", "hypercorn", "app:app", "--bind", "127.0.0.1:{port}"),
}


@pytest.mark.parametrize("server", SERVERS)
def test_fastapi_has_one_span_a_request_under_every_server(collector, tmp_path, server):
    (tmp_path / "app.py").write_text(textwrap.dedent(FASTAPI))
    environ = clean(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_BSP_SCHEDULE_DELAY="50")
    with serving((sys.executable, *SERVERS[server]), tmp_path, environ) as served:
        assert served.get("/items/7") == (200, b'{"number":7}')
        collector.wait(lambda: any(span.kind == "server" for span in collector.spans()))
    assert [(span.name, span.kind) for span in collector.spans()] == [("GET /items/{number}", "server")]


PLAIN = """
    from devenv import tracing
    tracing.auto(service_name="shop")

    async def app(scope, receive, send):
        if scope["type"] == "http":
            with tracing.span("business"):
                await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"plain"})
        elif scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": message["type"] + ".complete"})
                if message["type"] == "lifespan.shutdown":
                    return
"""


@pytest.mark.parametrize("server", SERVERS)
def test_a_plain_application_that_calls_auto_itself_has_one_span_a_request(collector, tmp_path, server):
    (tmp_path / "app.py").write_text(textwrap.dedent(PLAIN))
    environ = clean(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_BSP_SCHEDULE_DELAY="50")
    with serving((sys.executable, *SERVERS[server]), tmp_path, environ) as served:
        assert served.get("/items/7") == (200, b"plain")
        collector.wait(lambda: len(collector.spans()) >= 2)
    spans = {span.kind: span for span in collector.spans()}
    assert {kind: span.name for kind, span in spans.items()} == {"server": "GET", "internal": "business"}
    assert (len(collector.spans()), spans["internal"].parent_id) == (2, spans["server"].span_id)


def test_fastapi_has_one_span_a_request_in_process(tmp_path):
    program = f"""
    {FASTAPI}
    import asyncio, httpx
    from devenv.tracing.testing import recording, tree

    async def main():
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            assert (await client.get("/items/7")).status_code == 200

    with recording() as rec:
        asyncio.run(main())
        print(tree(rec.spans()))
    """
    assert run(program, tmp_path) == "GET /items/{number} [server]\n"


async def test_the_sub_applications_of_aiohttp_have_no_root_of_their_own(rec, patched):
    async def inner(request):
        with tracing.span("business"):
            return web.Response(text="ok")

    aiohttp_server.instrument()
    below = web.Application(middlewares=[tracing.aiohttp_middleware()])
    below.router.add_get("/inner/{key}", inner)
    app = web.Application()
    app.add_subapp("/outer", below)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        for flag in ("00", "01"):
            headers = {"traceparent": f"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flag}"}
            async with session.get(server.make_url("/outer/inner/1"), headers=headers) as response:
                assert response.status == 200
    assert_trace(
        rec.spans(),
        """
        GET /outer/inner/{key} [server]
          business
        """,
    )


@pytest.fixture
def sqlalchemy_and_sqlite(patched):
    sqlite.instrument()
    sqlalchemy_integration.instrument()
    yield
    sqlalchemy_integration.uninstrument()


async def test_sqlalchemy_over_aiosqlite_has_one_span_a_statement(rec, sqlalchemy_and_sqlite, tmp_path):
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/a.db")
    with tracing.span("caller"):
        async with engine.begin() as connection:
            await connection.execute(sqlalchemy.text("CREATE TABLE t (a TEXT)"))
            await connection.execute(sqlalchemy.text("INSERT INTO t VALUES ('x')"))
    await engine.dispose()
    assert_trace(
        rec.spans(),
        """
        caller
          CREATE t [client]
          INSERT t [client]
        """,
    )


async def test_the_statements_of_aiosqlite_are_below_their_caller(rec, patched, tmp_path):
    sqlite.instrument()
    threads.instrument()
    aiosqlite_integration.instrument()
    with tracing.span("start"):
        connection = await aiosqlite.connect(tmp_path / "a.db")
    with tracing.span("first"):
        await connection.execute("CREATE TABLE t (a TEXT)")
    with tracing.span("second"), suppressing(ALL):
        await connection.execute("SELECT 1")
    with tracing.attached({"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"}):
        async with connection.execute("SELECT 2") as cursor:
            assert await cursor.fetchall() == [(2,)]
    await connection.close()
    assert_trace(
        rec.spans(),
        """
        start
        first
          CREATE t [client]
        second
        """,
    )


def test_sqlalchemy_over_a_traced_connection_has_one_span_a_statement(rec, sqlalchemy_and_sqlite):
    import sqlite3

    engine = sqlalchemy.create_engine("sqlite://", creator=lambda: sqlite3.connect(":memory:"))
    sqlalchemy_integration.instrument(engine)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE t (a TEXT)"))
    engine.dispose()
    connection = sqlite3.connect(":memory:")
    connection.execute("SELECT 1")
    connection.close()
    assert [span.name for span in rec.spans()] == ["CREATE t", "SELECT"]


@pytest.fixture
def stock_urllib3(monkeypatch):
    """What OpenTelemetry's own instrumentation of urllib3 does: a span and headers, unless HTTP is suppressed."""
    pool: Any = urllib3.connectionpool.HTTPConnectionPool
    original: Callable[..., Any] = pool.urlopen

    def urlopen(self, *args, **options):
        current = otel.get_current()
        if current.get(getattr(otel, HTTP)) or current.get(getattr(otel, ALL)):
            return original(self, *args, **options)
        with tracing.span("stock urllib3", kind="client"):
            return original(self, *args, **options)

    monkeypatch.setattr(pool, "urlopen", urlopen)


def with_requests(url):
    requests_client.instrument()
    return requests.get(url, timeout=5).status_code


def with_session(url):
    requests_client.instrument()
    with requests.Session() as session:
        session.mount("http://", requests_client.TracedAdapter())
        return session.get(url).status_code


def with_httpx(url):
    httpx_client.instrument()
    with httpx.Client(transport=tracing.HTTPXTransport()) as client:
        return client.get(url).status_code


async def with_async_httpx(url):
    httpx_client.instrument()
    async with httpx.AsyncClient(transport=tracing.AsyncHTTPXTransport()) as client:
        return (await client.get(url)).status_code


async def with_aiohttp(url):
    aiohttp_client.instrument()
    configs = [tracing.aiohttp_trace_config()]
    async with aiohttp.ClientSession(trace_configs=configs) as session, session.get(url) as response:
        return response.status


def with_urllib3(url):
    urllib3_client.instrument()
    with urllib3.PoolManager() as pool:
        return pool.request("GET", url).status


def with_urllib(url):
    urllib_client.instrument()
    with urllib.request.urlopen(url, timeout=5) as response:
        return response.status


CLIENTS = [with_urllib3, with_urllib, with_requests, with_session, with_httpx, with_async_httpx, with_aiohttp]


async def ask(get, url):
    found = get(url)
    return found if isinstance(found, int) else await found


@pytest.mark.parametrize("get", CLIENTS)
async def test_a_client_that_is_traced_twice_has_one_span(rec, upstream, stock_urllib3, patched, get):
    with tracing.span("caller"):
        assert await ask(get, upstream.url) == 200
    (call,) = rec.spans("GET")
    assert [span.name for span in rec.spans()] == ["caller", "GET"]
    assert call.span_id in upstream.got[0]["traceparent"]


@pytest.mark.parametrize("keys", [(ALL,), (HTTP,), ("suppress_instrumentation",)])
@pytest.mark.parametrize("get", CLIENTS)
@pytest.mark.parametrize("below", [True, False])
async def test_a_suppressed_call_has_neither_span_nor_headers(rec, patched, upstream, get, keys, below):
    with suppressing(*keys):
        if below:
            with tracing.span("own"):
                assert await ask(get, upstream.url) == 200
        else:
            assert await ask(get, upstream.url) == 200
    assert [span.name for span in rec.spans()] == ["own"] * below
    assert "traceparent" not in upstream.got[0]


async def test_a_call_by_hand_through_a_traced_library_has_one_span(rec, upstream, patched):
    """As the sample's services do, where `devenv up` or `auto` traces their library, too."""
    aiohttp_client.instrument()
    for headers in ({}, None):
        async with aiohttp.ClientSession() as session:
            with tracing.span("caller"), tracing.client_span("GET", upstream.url, headers):
                async with session.get(upstream.url, headers=headers) as response:
                    assert response.status == 200
    # Without headers, only the library can send the context.
    assert [span.name for span in rec.spans()] == ["caller", "GET", "caller", "GET", "GET"]
    parents = [found["traceparent"].split("-")[2] for found in upstream.got]
    assert parents == [rec.spans("GET")[0].span_id, rec.spans("GET")[2].span_id]


def test_client_span_and_db_span_are_suppressed(rec):
    headers: dict[str, str] = {}
    with suppressing(HTTP), tracing.db_span("sqlite", "SELECT 1"), tracing.client_span("GET", "http://h/", headers):
        pass
    assert ([span.name for span in rec.spans()], headers) == (["SELECT"], {})
    with suppressing(ALL), tracing.span("own"), tracing.db_span("sqlite", "SELECT 2"):
        call = tracing.client_span("GET", "http://h/", headers)
        with call:
            tracing.set_attributes(inside=True)
    assert ([span.name for span in rec.spans()], headers) == (["SELECT", "own"], {})
    assert rec.span("own").attributes["inside"] is True


def test_statements_and_commands_are_suppressed(rec, patched, sqlalchemy_and_sqlite):
    import sqlite3

    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    redis_integration.instrument()
    outside = sqlite3.connect(":memory:")
    with suppressing(ALL):
        inside = sqlite3.connect(":memory:")
        for connection in (outside, inside):
            connection.execute("CREATE TABLE t (a)")
            connection.executemany("INSERT INTO t VALUES (?)", [(1,)])
            connection.commit()
        with sqlalchemy.create_engine("sqlite://").connect() as found:
            found.execute(sqlalchemy.text("SELECT 1"))
        with pytest.raises(redis.ConnectionError):
            redis.Redis(port=1, retry=Retry(NoBackoff(), 0)).get("x")
    assert rec.spans() == []
    outside.close()
    inside.close()


def run(program: str, folder: Path, **environ: str) -> str:
    (folder / "program.py").write_text(textwrap.dedent(program))
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=folder, env=clean(**environ), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_exporters_of_the_sdk_do_not_trace_their_own_posts(collector, tmp_path):
    program = """
        from devenv import tracing
        from devenv.tracing.testing import recording
        tracing.auto(service_name="own")
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

        with recording() as rec:
            provider = rec.tracing.provider
            provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
            provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
            meters = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())])
            meters.get_meter("m").create_counter("c").add(1)
            with tracing.span("work"):
                pass
            assert provider.force_flush() and meters.force_flush()
            print([span.name for span in rec.spans()])
            meters.shutdown()
    """
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_TRACES_EXPORTER": "none"}
    assert run(program, tmp_path, **environ) == "['work']\n"
    assert sorted({path for *_, path in collector.requests}) == ["/v1/metrics", "/v1/traces"]


FIRST = """
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    memory = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    trace.set_tracer_provider(provider)

    import logging
    logging.basicConfig(format="%(message)s", level="WARNING")
    from devenv import tracing
"""


def test_a_provider_that_the_program_installed_first_gets_every_span(collector, tmp_path):
    program = f"""
    {FIRST}
    made = tracing.auto(service_name="second")
    import httpx, asyncio
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    @tracing.traced("decorated")
    def decorated():
        return tracing.current_span().get_span_context().trace_id

    async def endpoint(request):
        with trace.get_tracer("program").start_as_current_span("program"), tracing.span("ours"):
            decorated()
            made.tracer("further").start_span("further").end()
        return PlainTextResponse("ok")

    app = Starlette(routes=[Route("/do", endpoint)])

    async def main():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://app") as client:
            assert (await client.get("/do")).text == "ok"

    asyncio.run(main())
    spans = memory.get_finished_spans()
    names = {{span.context.span_id: span.name for span in spans}}
    for span in spans:
        print(span.name, "<", span.parent and names[span.parent.span_id])
    assert len({{span.context.trace_id for span in spans}}) == 1
    assert made.force_flush() and made.shutdown()
    provider.get_tracer("t").start_span("after").end()
    assert memory.get_finished_spans()[-1].name == "after"
    """
    (tmp_path / "program.py").write_text(textwrap.dedent(program))
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env=clean(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "decorated < ours",
        "further < ours",
        "ours < program",
        "program < GET /do",
        "GET /do < None",
    ]
    assert done.stderr == (
        "the program has installed a tracer provider, opentelemetry.sdk.trace.TracerProvider: spans go to it, and its "
        "sampler, limits, resource and exporters apply instead of devenv.tracing's\n"
    )
    assert collector.requests == []


def test_a_program_with_its_own_provider_that_switches_tracing_off(tmp_path):
    program = f"""
    {FIRST}
    tracing.setup({{"service_name": "second", "enabled": False}})
    with provider.get_tracer("program").start_as_current_span("program") as program:
        with tracing.span("ours"), tracing.db_span("sqlite", "SELECT 1"):
            pass
        with tracing.client_span("GET", "http://h/", {{}}):
            pass
        assert program.is_recording()
    print([(span.name, dict(span.attributes)) for span in memory.get_finished_spans()])
    """
    assert run(program, tmp_path) == "[('program', {})]\n"


@pytest.fixture(autouse=True)
def _forget():
    yield
    on_import.forget()
