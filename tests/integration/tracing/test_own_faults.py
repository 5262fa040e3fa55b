"""A fault in any function of the integrations: the program's own output stays the same, and one warning is logged.

Each function either catches its own faults, or is listed in `PASSES` because a call of the program goes through it, or
is made to fail here while a program runs through it.
"""

from __future__ import annotations

import ast
import asyncio
import importlib
import inspect
import io
import logging
import sqlite3
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.request import urlopen

import aio_pika
import aiohttp
import celery
import flask
import httpx
import kafka
import pika
import pytest
import redis
import redis.asyncio
import requests
import rq
import sqlalchemy
import urllib3
import uvicorn
from aiohttp import web
from aiohttp.test_utils import TestServer
from fastapi import FastAPI
from fault_programs.conversations import with_jinja2, with_websockets  # noqa: F401 - as above
from fault_programs.documents import with_pymongo  # noqa: F401 - as above
from fault_programs.drivers import with_asyncpg, with_psycopg, with_psycopg2, with_pymysql  # noqa: F401 - as above
from fault_programs.frameworks import with_falcon, with_tornado  # noqa: F401 - taken into PROGRAMS by their names
from fault_programs.graphs import with_graphql  # noqa: F401 - as above
from fault_programs.grpc_calls import with_grpc  # noqa: F401 - as above
from fault_programs.operations import with_botocore  # noqa: F401 - as above
from hypercorn.app_wrappers import ASGIWrapper
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry
from servers.amqp import Broker, deliver, exchange, open_channel, queue
from servers.django_project import project
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from tracing_upstream import http_upstream

from devenv import tracing
from devenv.tracing import clients, sql
from devenv.tracing.active import state
from devenv.tracing.integrations import (
    aiohttp_client,
    aiohttp_server,
    asgi_servers,
    log_records,
    requests_client,
    sqlite,
    threads,
    urllib3_client,
    urllib_client,
    wsgi,
)
from devenv.tracing.integrations import django as django_integration
from devenv.tracing.integrations import redis as redis_integration
from devenv.tracing.integrations import sqlalchemy as sqlalchemy_integration
from devenv.tracing.integrations.dbapi import TracedConnection
from devenv.tracing.integrations.messaging import aio_pika as aio_pika_integration
from devenv.tracing.integrations.messaging import celery as celery_integration
from devenv.tracing.integrations.messaging import confluent_kafka as confluent_kafka_integration
from devenv.tracing.integrations.messaging import kafka_python as kafka_python_integration
from devenv.tracing.integrations.messaging import pika as pika_integration
from devenv.tracing.integrations.messaging import rq as rq_integration
from devenv.tracing.light import notices
from devenv.tracing.light.span import LightSpan
from devenv.tracing.light.tracer import LightTracer
from devenv.tracing.process import patching
from devenv.tracing.testing import recording

MODULES = (
    "asgi",
    "server_side",
    "clients",
    "sql",
    "spans",
    "queues",
    "integrations.aiohttp_client",
    "integrations.aiohttp_server",
    "integrations.aiosqlite",
    "integrations.asgi_servers",
    "integrations.databases.psycopg_streams",
    "integrations.databases.asyncpg",
    "integrations.databases.driver",
    "integrations.databases.psycopg",
    "integrations.databases.psycopg2",
    "integrations.databases.pymongo",
    "integrations.databases.pymysql",
    "integrations.databases.transactions",
    "integrations.dbapi",
    "integrations.django",
    "integrations.httpx_client",
    "integrations.log_records",
    "integrations.messaging.aio_pika",
    "integrations.messaging.celery",
    "integrations.messaging.confluent_kafka",
    "integrations.messaging.kafka_python",
    "integrations.messaging.kafka_records",
    "integrations.messaging.message",
    "integrations.messaging.pika",
    "integrations.messaging.rabbitmq",
    "integrations.messaging.receive",
    "integrations.messaging.rq",
    "integrations.messaging.rq_worker",
    "integrations.redis",
    "integrations.requests_client",
    "integrations.sqlalchemy",
    "integrations.sqlite",
    "integrations.threads",
    "integrations.urllib3_client",
    "integrations.urllib_client",
    "integrations.rpc.botocore",
    "integrations.rpc.grpc_aio_client",
    "integrations.rpc.grpc_aio_server",
    "integrations.rpc.grpc_client",
    "integrations.rpc.grpc_server",
    "integrations.rpc.grpc_spans",
    "integrations.web.falcon",
    "integrations.web.graphql",
    "integrations.web.jinja2",
    "integrations.web.tornado_client",
    "integrations.web.tornado_server",
    "integrations.web.websockets_client",
    "integrations.web.websockets_server",
    "integrations.wsgi",
    "metrics.aiohttp_requests",
    "metrics.asgi_requests",
    "metrics.calls",
    "metrics.mongo_commands",
    "metrics.served",
    "metrics.statements",
    "metrics.tornado_requests",
    "metrics.wsgi_requests",
)
"""Where the hooks are."""


def error_name(call: Callable[[], Any]) -> Any:
    """What a program sees of a call: its result, or its exception."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - returned
        return f"{type(error).__name__}: {error}"[:60]


# The programs


def run_asgi(app: Any, **scope: Any) -> list[Any]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append((message["type"], message.get("status"), message.get("body")))

    async def receive() -> Any:
        return {"type": "lifespan.shutdown"} if scope.get("type") == "lifespan" else {"type": "http.request"}

    given = {
        "type": "http",
        "method": "GET",
        "path": "/x/1",
        "query_string": b"a=1",
        "headers": [(b"host", b"h"), (b"user-agent", b"u"), (b"baggage", b"devenv.request=1")],
        "server": ("h", 80),
        "client": ("c", 1),
        **scope,
    }
    failed = error_name(lambda: asyncio.run(app(given, receive, send)))
    return [sent, failed]


async def plain_asgi(scope: Any, receive: Any, send: Any) -> None:
    if scope["path"] == "/raise":
        raise ValueError("own")
    if scope["type"] == "lifespan":
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 503 if scope["path"] == "/503" else 200})
    await send({"type": "http.response.body", "body": b"ok"})


def with_asgi(_url: str) -> Any:
    middleware = tracing.TracingMiddleware(plain_asgi, trace_response=True, exclude=["/excluded"])
    quick = tracing.TracingMiddleware(plain_asgi)
    quick._side.plain = True  # as in a program without FastAPI
    odd = [(b"traceparent", b"x"), (b"traceparent", b"y"), (b"tracestate", b"a=b")]
    return [
        run_asgi(middleware),
        run_asgi(middleware, path="/raise"),
        run_asgi(middleware, path="/503", headers=odd),
        run_asgi(middleware, type="websocket", path="/raise"),
        run_asgi(middleware, type="lifespan"),
        run_asgi(quick),
        *elsewhere(middleware),
    ]


def elsewhere(middleware: Any) -> Iterator[Any]:
    """With tracing off, and with the SDK's provider."""
    with recording({"enabled": False}):
        yield run_asgi(middleware)
    with recording({"provider": "sdk"}):
        yield run_asgi(middleware)
        yield run_asgi(middleware, path="/excluded")


def with_frameworks(_url: str) -> Any:
    asgi_servers.instrument_starlette()
    asgi_servers.instrument_fastapi()
    asgi_servers.instrument_uvicorn()
    asgi_servers.instrument_hypercorn()

    async def endpoint(request: Any) -> Any:
        return PlainTextResponse(f"ok {request.path_params['number']}")

    api = FastAPI()
    api.add_api_route("/x/{number}", lambda number: number)
    served = uvicorn.Config(Starlette(routes=[Route("/x/{number}", endpoint)]), log_config=None)
    served.load()
    with_hypercorn = ASGIWrapper(Starlette(routes=[Route("/x/{number}", endpoint)]))
    with suppress(AttributeError):  # it is not started: it has no lifespan
        asyncio.run(uvicorn.Server(served).startup())
    return [
        run_asgi(with_hypercorn.app),
        run_asgi(served.loaded_app),
        run_asgi(api),
        run_asgi(Starlette(routes=[Route("/x/{number}", endpoint)])),
    ]


def with_wsgi(_url: str) -> Any:
    def app(environ: Any, start: Any) -> Any:
        if environ["PATH_INFO"] == "/raise":
            raise ValueError("own")
        start("200 OK", [])(b"written")
        return parts(environ["PATH_INFO"])

    def parts(path: str) -> Iterator[bytes]:
        yield b"part"
        if path == "/body":
            raise ValueError("own body")

    middleware = tracing.WSGIMiddleware(app, trace_response=True)

    def ask(path: str) -> Any:
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "SERVER_PORT": "80", "QUERY_STRING": "a=1"}
        body = middleware(environ, lambda *_: lambda _part: None)
        try:
            return list(body)
        finally:
            body.close()  # type: ignore[attr-defined]

    found = [error_name(lambda path=path: ask(path)) for path in ("/", "/raise", "/body")]
    with recording(environ={"OTEL_PROPAGATORS": "b3"}):
        return [*found, ask("/")]


def with_flask(_url: str) -> Any:
    wsgi.instrument_flask()
    app = flask.Flask("app")
    app.add_url_rule("/x/<number>", "x", lambda number: number)
    app.add_url_rule("/raise", "raise", lambda: 1 // 0)
    client = app.test_client()
    return [(answer.status_code, answer.data[:20]) for answer in map(client.get, ("/x/1", "/raise", "/nowhere"))]


def django_view(_request: Any, how: str = "") -> Any:
    from django.db import connection
    from django.http import HttpResponse

    if how == "raise":
        raise ValueError("own")
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s", [7])
        return HttpResponse(str(cursor.fetchone()))


def with_django(_url: str) -> Any:
    from django.urls import path

    django_integration.instrument()
    django_integration.instrument_wsgi()
    django_integration.instrument_asgi()
    django_integration.instrument_databases()
    from django.core.handlers.wsgi import WSGIHandler

    def ask(url: str) -> Any:
        started: list[Any] = []
        given = {"REQUEST_METHOD": "GET", "PATH_INFO": url, "SERVER_NAME": "h", "SERVER_PORT": "80", "wsgi.input": None}
        body = b"".join(WSGIHandler()({**given, "wsgi.input": io.BytesIO()}, lambda *args: started.append(args[0])))
        return started, body[:20]

    with project([path("x/<how>/", django_view)]):
        return [ask("/x/1/"), ask("/x/raise/"), ask("/nowhere/")]


def with_aiohttp(_url: str) -> Any:
    aiohttp_server.instrument()
    aiohttp_client.instrument()

    async def item(request: web.Request) -> web.Response:
        if request.match_info["number"] == "raise":
            raise ValueError("own")
        if request.match_info["number"] == "gone":
            raise ConnectionError
        if request.match_info["number"] == "404":
            raise web.HTTPNotFound(text="own")
        return web.Response(text="ok")

    async def main() -> Any:
        app = web.Application(middlewares=[tracing.aiohttp_middleware(trace_response=True)])
        app.router.add_get("/x/{number}", item)
        found: list[Any] = []
        async with TestServer(app) as server, aiohttp.ClientSession() as session:
            for path in ("/x/1", "/x/raise", "/x/404", "/x/gone"):
                async with session.get(server.make_url(path)) as response:
                    found.append((response.status, (await response.text())[:20]))
            try:
                await session.get("http://127.0.0.1:1/")
            except aiohttp.ClientConnectorError as error:
                found.append(type(error).__name__)
        return found

    return asyncio.run(main())


def answering(request: httpx.Request) -> httpx.Response:
    if request.url.path == "/raise":
        raise httpx.ReadError("own")
    return httpx.Response(500 if request.url.path == "/500" else 200, text="ok")


def with_httpx(_url: str) -> Any:
    below = httpx.MockTransport(answering)

    async def asynchronous() -> Any:
        async with httpx.AsyncClient(transport=tracing.AsyncHTTPXTransport(below)) as client:
            return [(await client.get(f"http://h{path}")).status_code for path in ("/", "/500")]

    with httpx.Client(transport=tracing.HTTPXTransport(below)) as client:
        found = [
            error_name(lambda path=path: client.get(f"http://u:p@h{path}").text) for path in ("/", "/500", "/raise")
        ]
    return [found, asyncio.run(asynchronous())]


def with_requests(url: str) -> Any:
    requests_client.instrument()
    found = [requests.get(url + path, timeout=5).status_code for path in ("/?token=1", "/500")]
    try:
        requests.get("http://127.0.0.1:1/", timeout=5)
    except requests.ConnectionError as error:
        found.append(type(error).__name__)
    urllib3_client.instrument()
    with requests.Session() as session:
        session.mount("http://", requests.adapters.HTTPAdapter(max_retries=_retries()))
        return [*found, session.get(f"{url}/500", timeout=5).status_code]


def _retries() -> urllib3.Retry:
    return urllib3.Retry(1, backoff_factor=0, status_forcelist=[500], raise_on_status=False)


def with_urllib3(url: str) -> Any:
    urllib3_client.instrument()
    with urllib3.PoolManager(retries=False) as pool:
        found = [pool.request("GET", url + path).status for path in ("/?token=1", "/500")]
        found.append(pool.request("GET", f"{url}/500", retries=_retries()).status)
        return [*found, error_name(lambda: pool.request("GET", "http://127.0.0.1:1/"))[:30]]


def with_urllib(url: str) -> Any:
    urllib_client.instrument()
    with tracing.span("s"):
        return [
            error_name(lambda at=at: urlopen(at, timeout=5).status) for at in (url, f"{url}/500", "http://127.0.0.1:1")
        ]


def with_client_span(_url: str) -> Any:
    def call(status: int, error: Exception | None = None) -> Any:
        with tracing.client_span("GET", "http://h/x?a=1", {}) as span:
            with suppress(RuntimeError):  # the program's own call
                span.set_attribute("http.response.status_code", status)
            if error is not None:
                raise error
            return status

    return [call(200), call(500), error_name(lambda: call(0, ValueError("own"))), error_name(lambda: quiet(call))]


def quiet(call: Any) -> Any:
    """The same below an unsampled parent, with baggage and a state."""
    headers = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-00", "tracestate": "a=b", "baggage": "k=v"}
    with tracing.attached(headers), tracing.span("unsampled"):
        return call(200)


def with_spans(_url: str) -> Any:
    @tracing.traced()
    def decorated(value: int) -> float:
        return 1 / value

    def inside() -> Any:
        with tracing.span("s", attributes={"a": 1}, links=[tracing.current_span()]):
            return decorated(1)

    async def cancelled() -> None:
        with tracing.db_span("sqlite", "SELECT 1"):
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
    return [inside(), error_name(lambda: decorated(0)), error_name(lambda: quiet(lambda _: decorated(2)))]


def with_queues(_url: str) -> Any:
    async def main() -> Any:
        queue: tracing.TracedQueue[int] = tracing.TracedQueue("q")
        for number in range(4):
            await queue.put(number)
        async with queue.process() as first:
            pass
        async with queue.process_batch(2) as batch:
            pass
        try:
            async with queue.process_batch(2):
                raise ValueError("own")
        except ValueError as error:
            return first, batch, str(error)

    return asyncio.run(main())


def statements(connection: Any) -> Any:
    def run(sql: str, *args: Any) -> Any:
        cursor = connection.cursor()
        cursor.execute(sql, *args)
        return cursor.fetchall()

    found = [
        error_name(lambda sql=sql: run(sql)) for sql in ("CREATE TABLE t (a)", "INSERT INTO t VALUES (1)", "WRONG")
    ]
    connection.cursor().executemany("INSERT INTO t VALUES (?)", [(2,), (3,)])
    connection.commit()
    connection.rollback()
    with connection:
        run("DELETE FROM t WHERE a = ?", (3,))
    found.append(run("SELECT a FROM t"))
    connection.close()
    return found


def with_sqlite(_url: str) -> Any:
    sqlite.instrument()
    return [statements(sqlite3.connect(":memory:")), statements(tracing.sqlite_connection(":memory:"))]


def with_dbapi(_url: str) -> Any:
    return statements(TracedConnection(sqlite3.connect(":memory:"), "sqlite"))


def with_sqlalchemy(_url: str) -> Any:
    sqlite.instrument()
    sqlalchemy_integration.instrument()
    try:
        engine = sqlalchemy.create_engine("sqlite://", creator=lambda: sqlite3.connect(":memory:"))
        with engine.connect() as connection:
            found = [connection.execute(sqlalchemy.text("SELECT 7")).scalar()]
            found.append(error_name(lambda: connection.execute(sqlalchemy.text("SELECT * FROM nowhere"))))
        engine.dispose()
        return found
    finally:
        sqlalchemy_integration.uninstrument()


def with_redis(_url: str) -> Any:
    redis_integration.instrument()
    client = redis.Redis(port=1, retry=Retry(NoBackoff(), 0))
    pipeline = client.pipeline().set("a", 1).get("a")

    async def asynchronous() -> Any:
        other = redis.asyncio.Redis(port=1, retry=AsyncRetry(NoBackoff(), 0))
        for call in (other.get, lambda key: other.pipeline().get(key).execute()):
            with pytest.raises(redis.ConnectionError):
                await call("x")
        await other.aclose()

    asyncio.run(asynchronous())
    return [error_name(lambda: client.get("x"))[:20], error_name(pipeline.execute)[:20]]


def with_celery(_url: str) -> Any:
    celery_integration.instrument()
    app = celery.Celery("faults", broker="memory://", set_as_current=False)

    @app.task(name="divide", shared=False)
    def divide(number: int) -> float:
        return 1 / number

    @app.task(name="again", shared=False, bind=True, default_retry_delay=0)
    def again(task: Any) -> str:
        if task.request.retries:
            return "again"
        raise task.retry(exc=ValueError("own"))

    def forget(**_named: Any) -> None:
        """What else is connected is called all the same."""
        found.append("published")

    found: list[Any] = []
    celery.signals.before_task_publish.connect(forget, weak=False, dispatch_uid="forget")
    try:
        found.append(divide.apply_async((1,), task_id="1").id)
        celery.signals.worker_process_shutdown.send(None, pid=1, exitcode=0)
        found += [divide.apply((1,)).get(), repr(divide.apply((0,)).result), again.apply().get()]
        return [*found, error_name(lambda: divide.apply((0,), throw=True))]
    finally:
        celery.signals.before_task_publish.disconnect(dispatch_uid="forget")
        celery_integration.uninstrument()


def with_rq(_url: str) -> Any:
    """Without a Redis: a job is stored and read by hand."""
    rq_integration.instrument()
    queue = rq.Queue("faults", connection=redis.Redis(port=1, retry=Retry(NoBackoff(), 0)))
    with tracing.span("request"):
        job = queue.create_job(divmod, args=(7, 2))
        failed = error_name(lambda: queue.enqueue_job(job))[:20]
    read = rq.job.Job(job.id, connection=queue.connection)
    read.restore({name.encode(): value for name, value in job.to_dict().items()})
    again = error_name(lambda: queue.enqueue_job(read))[:20]
    worker = object.__new__(rq.Worker)
    worker._is_horse = True
    ended = error_name(lambda: worker.perform_job(read, queue, None))
    read.origin = "faults"
    return [failed, again, ended, read.perform(), error_name(queue.create_job(divmod, args=(1, 0)).perform)]


def with_pika(_url: str) -> Any:
    pika_integration.instrument()
    channel, found = open_channel(), []

    def received(_channel: Any, _method: Any, properties: Any, body: bytes) -> None:
        found.append((body, properties.message_id))
        if body == b"fail":
            raise ValueError("own")

    tag = channel.basic_consume("orders", received)
    with tracing.span("request"):
        channel.basic_publish("", "orders", b"body", pika.BasicProperties(message_id="m1"))
        channel.basic_publish("shop", "paid", b"fail")
    deliver(channel, tag)
    method, properties, body = channel.connection.sent[0]
    method.delivery_tag = 1
    got = pika_integration._getting(lambda *_: (method, properties, body))(channel, "orders")
    looped = pika_integration._looping(lambda *_: (found for found in [got, (None, None, None)]))(channel, "orders")
    bodies = [message[2] for message in looped]
    return [found, bodies, error_name(lambda: deliver(channel, tag))]


def with_aio_pika(_url: str) -> Any:
    aio_pika_integration.instrument()
    found: list[Any] = []

    async def received(message: Any) -> None:
        async with message.process():
            found.append(message.body)

    async def main() -> Any:
        broker = Broker()
        await queue(broker).consume(received)
        with tracing.span("request"):
            await exchange(broker).publish(aio_pika.Message(b"body"), "paid")
        iterator = aio_pika.queue.QueueIterator(queue(broker))
        await iterator.consume()
        await exchange(broker).publish(aio_pika.Message(b"again"), "paid")
        async with (await iterator.__anext__()).process() as message:
            found.append(message.body)
        broker.confirming = False
        try:
            await exchange(broker).publish(aio_pika.Message(b"lost"), "paid")
        except aio_pika.exceptions.DeliveryError:
            return found

    return asyncio.run(main())


class Records:
    """A consumer and producer of confluent-kafka, which keeps what is sent."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    def produce(self, topic: str, value: Any = None, headers: Any = None) -> None:
        found = {"topic": topic, "value": value, "headers": headers, "error": None, "partition": 0, "offset": 0}
        self.kept.append(SimpleNamespace(**{name: lambda kept=kept: kept for name, kept in found.items()}))

    def poll(self, _timeout: float) -> Any:
        return self.kept.pop(0) if self.kept else None

    close = poll

    def consume(self, number: int) -> list[Any]:
        found, self.kept = self.kept[:number], self.kept[number:]
        return found


def with_confluent_kafka(_url: str) -> Any:
    confluent_kafka_integration.instrument()
    producer = confluent_kafka_integration._traced_producer(Records)()
    consumer = confluent_kafka_integration._traced_consumer(Records)()
    with tracing.span("request"):
        producer.produce("orders", b"body", headers={"own": b"1"})
    consumer.kept = producer.kept
    again = [consumer.poll(1).value(), consumer.poll(1), consumer.close(1)]
    with tracing.span("request"):
        producer.produce("orders", b"body")
        producer.produce("pens", b"body")
    consumer.kept = producer.kept
    return [*again, [record.value() for record in consumer.consume(2)], consumer.consume(1)]


class Turns(Records):
    """A consumer and producer of kafka-python, which keeps what is sent."""

    config: Mapping[str, Any] = {}

    def send(self, topic: str, value: Any, _key: Any, headers: Any) -> None:
        self.kept.append(SimpleNamespace(topic=topic, value=value, headers=headers, partition=0, offset=0))

    def turns(self) -> Iterator[Any]:
        return iter(self.kept)

    def asked(self) -> Any:
        return {kafka.TopicPartition("orders", 0): self.kept}


def with_kafka_python(_url: str) -> Any:
    found = Turns()
    with tracing.span("request"):
        kafka_python_integration._sending_record(Turns.send)(found, "orders", b"body", headers=[("own", b"1")])
    asked = kafka_python_integration._polling(Turns.asked)(found)
    return [
        *map(len, asked.values()),
        *(record.value for record in kafka_python_integration._iterating(Turns.turns)(found)),
    ]


def with_threads(_url: str) -> Any:
    threads.instrument()
    found: list[Any] = []
    with tracing.span("s"):
        thread = threading.Thread(target=found.append, args=(1,))
        thread.start()
        thread.join()
        with ThreadPoolExecutor(1) as pool, tracing.TracedExecutor(1) as traced:
            return found, pool.submit(len, "ab").result(), traced.submit(len, "abc").result()


def with_logging(_url: str) -> Any:
    before = logging.getLogRecordFactory()
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    log = logging.getLogger("test_own_faults")
    log.propagate = False
    log.addHandler(handler)
    try:
        log_records.instrument_lines()
        with tracing.span("s"):
            log.warning("a line of %s", "the program")
    finally:
        logging.setLogRecordFactory(before)
        log.removeHandler(handler)
    return stream.getvalue().partition(" trace_id=")[0].strip()


PROGRAMS = {name.removeprefix("with_"): found for name, found in list(globals().items()) if name.startswith("with_")}

# Functions that catch nothing and are not made to fail.
PASSES = {
    # What the program itself calls: its own calls and exceptions pass through, and wrong use is told.
    "spans": {
        *("span", "traced", "current_span", "current_ids", "add_event", "set_attributes", "record_exception"),
        *("set_status_error", "SpanScope.__init__", "SpanScope.__exit__", "SpanScope.pause", "SpanScope.resume"),
    },
    "clients": {"ClientSpan.__enter__", "ClientCall.__init__"},
    "queues": {"_Naming.__init__", "_Naming.producing", "_Naming.consuming", "_Naming.consuming_batch"},
    "asgi": {"TracingMiddleware.__init__", "TracingMiddleware._other", "_flushing", "_Sending.__init__"},
    "server_side": {"ServerSide.__init__"},
    "integrations.wsgi": {
        "WSGIMiddleware.__init__",
        "_Body.__init__",
        "_Body.close",
        "Exchange.starting",
        "Exchange._writing",
    },
    "metrics.wsgi_requests": {"MeasuredExchange.failed"},
    "metrics.statements": {
        # As of `SpanScope`: their bodies only call functions that catch, and a clock.
        *(f"MeasuredStatement.{name}" for name in ("__enter__", "__exit__", "pause", "resume")),
        *(f"UnrecordedStatement.{name}" for name in ("__init__", "__enter__", "__exit__", "pause", "resume")),
    },
    "metrics.calls": {"MeasuredCall.failed", "MeasuredCall.end", "MeasuredSpan.__enter__"},
    "integrations.aiohttp_server": {"aiohttp_middleware", "traced", "_Sent.__init__"},
    "integrations.sqlite": {"sqlite_connection", "_connecting"},
    # Run once, when a server is made; the wrappers of its handler only call functions that catch.
    "integrations.web.websockets_server": {"_replace", "_async_handler", "_handler"},
    # They run once, for a channel or server; the handlers' wrappers only call functions that catch.
    "integrations.rpc.grpc_spans": {"taken", "first"},
    "integrations.rpc.grpc_server": {"unary", "streaming"},
    "integrations.rpc.grpc_aio_server": {"_one", "_several", "_coroutine", "_generator"},
    # What a library calls: their bodies only call functions that catch.
    "integrations.aiohttp_client": {"_start", "_end", "_fail", "aiohttp_trace_config"},
    "integrations.sqlalchemy": {"_after", "_failed", "uninstrument"},
    # The first runs once; the second is the program's own call, and only calls functions that catch.
    "integrations.web.graphql": {"_executor", "_awaiting"},
    "integrations.messaging.celery": {"uninstrument", "_uid"},
    # Run once, in `instrument`, or only call functions that catch.
    "integrations.databases.psycopg_streams": {
        "copying",
        "streaming",
        "async_streaming",
        "_within",
        "_rows",
        "_async_rows",
    },
    "integrations.databases.transactions": {"ending", "async_ending"},
    # Makers of the replacements, as in MAKERS.
    "integrations.databases.driver": {
        *("executing", "executing_many", "async_executing", "async_executing_many", "calling"),
    },
    "integrations.databases.psycopg2": {"_rest"},  # names arguments of the program
    "integrations.databases.pymongo": {"_register", "Commands.__init__", "Commands._cancelled"},
    "integrations.messaging.rq": {"_sent", "_perform"},
    "integrations.messaging.rq_worker": {"instrument_workers", "run_outside", "_working", "_carried"},
    "integrations.messaging.pika": {"_published", "_traced", "_turn"},
    "integrations.messaging.confluent_kafka": {"_sent", "_carrying", "_like"},
    "integrations.messaging.kafka_python": {"_sent", "_polled"},
    "integrations.messaging.aio_pika": {"_published", "_traced"},
}
PASSES_CLASSES = {
    "metrics.calls": {"Unrecorded"},
    "integrations.databases.psycopg_streams": {"Copying"},
    "integrations.rpc.grpc_client": {"TracingInterceptor", "_Details"},
    "integrations.rpc.grpc_server": {"TracingServerInterceptor"},
    "integrations.rpc.grpc_aio_client": {"_Calling"},
    "integrations.rpc.grpc_aio_server": {"AsyncTracingServerInterceptor"},
    "queues": {"TracedQueue", "ThreadQueue", "Consumption"},
    "integrations.dbapi": {"TracedConnection", "TracedCursor"},
    "integrations.sqlite": {"TracedConnection", "TracedCursor"},
    "integrations.httpx_client": {"HTTPXTransport", "AsyncHTTPXTransport"},
    "integrations.requests_client": {"TracedAdapter"},
    "integrations.threads": {"TracedExecutor"},
    "integrations.log_records": {"TraceFormatter"},
    "integrations.messaging.rabbitmq": {"Facts"},
}
# Makers of the replacements of a library's functions: they run once, in `instrument`, whose faults `auto` logs.
MAKERS = ("instrument", "_make_", "_handling", "_send", "_command", "_pipeline", "_async_", "_executing", "_resolving",
          "_noting", "_connecting", "_opening", "_submit", "_start", "_formatting", "_load", "_alone", "as_method",
          "traced_application", "_watch_flask", "_starting", "_wrapping", "_creating", "_storing", "_restoring",
          "_publishing", "_consuming", "_entering", "_leaving", "_copying", "_redirecting", "_retrying",
          "_getting", "_looping", "_producing", "_polling", "_closing", "_iterating", "_traced_",
          "install", "_beginning", "_measuring", "_ending", "_succeeding", "_failing", "_fetching")  # fmt: skip


def catches(function: Any) -> bool:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except OSError:  # made by `dataclass`
        return True
    handlers = [node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler)]
    return any(isinstance(handler.type, ast.Name) and handler.type.id == "Exception" for handler in handlers)


def functions(name: str) -> Iterator[tuple[Any, str, str]]:
    """Owner, attribute and full name of each function of a module that should survive its own fault."""
    module = importlib.import_module(f"devenv.tracing.{name}")
    for attribute, found in vars(module).items():
        if getattr(found, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(found):
            if attribute not in PASSES.get(name, ()) and not attribute.startswith(MAKERS) and not catches(found):
                yield module, attribute, attribute
        elif inspect.isclass(found) and attribute not in PASSES_CLASSES.get(name, ()):
            for method, function in vars(found).items():
                full = f"{attribute}.{method}"
                if method.endswith("state__"):  # made by `dataclass`
                    continue
                if inspect.isfunction(function) and full not in PASSES.get(name, ()) and not catches(function):
                    yield found, method, full


FAULTS = [
    *(f"{name}:{full}" for name in MODULES for _owner, _attribute, full in functions(name)),
    "tracer:open", "redactor:url", "redactor:query", "propagation:put", "span:is_recording", "span:set_attribute",
    "span:set_status", "span:record_exception", "span:update_name", "span:end", "span:outgoing",
]  # fmt: skip


class Planted:
    """A function that always fails, and the number of its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, *_args: Any, **_options: Any) -> Any:
        self.calls += 1
        raise RuntimeError("planted")


def plant(monkeypatch: pytest.MonkeyPatch, place: str) -> Planted:
    """Make a function fail wherever it is used by its name."""
    planted = Planted()
    name, _, full = place.partition(":")
    if name == "tracer":
        monkeypatch.setattr(LightTracer, full, lambda *_args, **_options: planted())
        state.use(state.light)
    elif name == "redactor":
        monkeypatch.setattr(type(state.redactor), full, lambda *_: planted())
    elif name == "span":
        monkeypatch.setattr(LightSpan, full, lambda *_args, **_options: planted())
    else:
        ((owner, attribute),) = [(found[0], found[1]) for found in functions(name) if found[2] == full]
        original = getattr(owner, attribute)
        if isinstance(owner, ModuleType):
            for module in [found for key, found in sys.modules.items() if key.startswith("devenv.tracing")]:
                for key, value in list(vars(module).items()):
                    if value is original:
                        monkeypatch.setattr(module, key, planted)
        else:
            monkeypatch.setattr(owner, attribute, lambda *_args, **_options: planted())
    return planted


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    with http_upstream() as made:
        yield made.url


@pytest.fixture(scope="module")
def healthy(upstream: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    sql._shared.cache_clear()
    for name, program in PROGRAMS.items():
        with recording():
            found[name] = program(upstream)
            patching.restore_all()
    return found


def test_the_programs_do_what_they_should(healthy):
    assert healthy["wsgi"] == [[b"part"], "ValueError: own", "ValueError: own body", [b"part"]]
    assert healthy["flask"][0] == (200, b"1")
    assert [status for status, _ in healthy["flask"]] == [200, 500, 404]
    assert [started for started, _ in healthy["django"]] == [
        ["200 OK"],
        ["500 Internal Server Error"],
        ["404 Not Found"],
    ]
    assert healthy["aiohttp"][0] == (200, "ok")
    assert [*(status for status, _ in healthy["aiohttp"][:4]), healthy["aiohttp"][4]] == [
        *(200, 500, 404, 500),
        "ClientConnectorError",
    ]
    assert healthy["httpx"] == [["ok", "ok", "ReadError: own"], [200, 500]]
    assert healthy["requests"] == [200, 500, "ConnectionError", 500]
    assert healthy["urllib3"][:3] == [200, 500, 500]
    assert healthy["urllib"][:2] == [200, "HTTPError: HTTP Error 500: Internal Server Error"]
    assert [status for status, _ in healthy["falcon"]] == [200, 500] * 2
    assert [*(status for status, _ in healthy["tornado"][:2]), healthy["tornado"][2]] == [
        *(200, 500, "ConnectionRefusedError")
    ]
    assert healthy["sqlite"][0] == healthy["sqlite"][1] == healthy["dbapi"]
    assert healthy["dbapi"][-1] == [(1,), (2,)]
    assert healthy["queues"] == (0, [1, 2], "own")
    assert healthy["threads"] == ([1], 2, 3)
    assert healthy["logging"] == "a line of the program"
    assert healthy["spans"] == [1.0, "ZeroDivisionError: division by zero", 0.5]


@pytest.mark.parametrize("place", FAULTS)
def test_a_fault_of_ours_does_not_reach_the_program(healthy, upstream, caplog, monkeypatch, place):
    reached = 0
    sql._shared.cache_clear()
    clients._shared.cache_clear()
    notices.forget()
    with recording(environ=METRICS if place.startswith("metrics.") else None) as rec:
        planted = plant(monkeypatch, place)
        for name in through(place):
            before = planted.calls
            try:
                rec.tracing.install()  # what measures is replaced for each program
                assert PROGRAMS[name](upstream) == healthy[name], f"{place} in {name}"
            finally:
                patching.restore_all()
            reached += planted.calls > before
        monkeypatch.undo()
        rec.clear()
    assert reached, f"no program runs through {place}"
    assert any(": RuntimeError: planted" in record.getMessage() for record in caplog.records)


METRICS = {"OTEL_METRICS_EXPORTER": "console"}


def through(place: str) -> list[str]:
    """The programs that use a function: for that of an integration, those of its library."""
    integration = place.partition(":")[0].removeprefix("integrations.")
    if place.startswith("metrics."):
        own = {"asgi_requests": ["asgi"], "wsgi_requests": ["wsgi", "flask"], "calls": ["client_span", "requests"]}
        own["mongo_commands"] = ["pymongo"]
        own["statements"] = ["sqlite", "sqlalchemy", "redis"]
        name = place.partition(":")[0].removeprefix("metrics.")
        return (
            own.get(name) or [found for found in (name.partition("_")[0],) if found in PROGRAMS] or ["wsgi", "tornado"]
        )
    if not place.startswith("integrations."):
        return list(PROGRAMS)
    if integration.startswith("messaging."):
        integration = integration.removeprefix("messaging.")
        shared = {"message": ["celery", "rq", "pika"], "rabbitmq": ["pika", "aio_pika"]}
        shared["receive"] = ["pika", "confluent_kafka", "kafka_python"]
        shared["rq_worker"] = ["rq"]
        shared["kafka_records"] = ["confluent_kafka", "kafka_python"]
        return shared.get(integration, [integration])
    own = {"asgi_servers": ["frameworks"], "wsgi": ["wsgi", "flask", "django"], "log_records": ["logging"]}
    own["driver"] = ["psycopg"]
    integration = integration.rpartition(".")[2]
    return own.get(integration) or [integration.partition("_")[0]]
