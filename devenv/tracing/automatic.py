"""`auto`: sets up tracing and traces the libraries that the program uses, without code changes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any

from devenv.tracing.errors import ConfigError
from devenv.tracing.integrations.on_import import when_imported
from devenv.tracing.light.decision import CustomSampler
from devenv.tracing.runtime import Tracing, setup

# Name, the library's module, our module and its function.
_INTEGRATIONS = (
    ("aiohttp", "aiohttp", "aiohttp_client", "instrument"),
    ("aiohttp", "aiohttp.web", "aiohttp_server", "instrument"),
    ("asgi", "starlette.applications", "asgi_servers", "instrument_starlette"),
    ("asgi", "fastapi.applications", "asgi_servers", "instrument_fastapi"),
    ("asgi", "uvicorn", "asgi_servers", "instrument_uvicorn"),
    ("asgi", "hypercorn.app_wrappers", "asgi_servers", "instrument_hypercorn"),
    ("flask", "flask", "wsgi", "instrument_flask"),
    ("django", "django.core.handlers.base", "django", "instrument"),
    ("django", "django.core.handlers.wsgi", "django", "instrument_wsgi"),
    ("django", "django.core.handlers.asgi", "django", "instrument_asgi"),
    ("django", "django.db.backends.utils", "django", "instrument_databases"),
    ("falcon", "falcon", "web.falcon", "instrument"),
    ("falcon", "falcon.asgi", "web.falcon", "instrument_asgi"),
    ("tornado", "tornado.web", "web.tornado_server", "instrument"),
    ("tornado", "tornado.simple_httpclient", "web.tornado_client", "instrument"),
    ("tornado", "tornado.curl_httpclient", "web.tornado_client", "instrument_curl"),
    ("websockets", "websockets.asyncio.client", "web.websockets_client", "instrument"),
    ("websockets", "websockets.sync.client", "web.websockets_client", "instrument_sync"),
    ("websockets", "websockets.asyncio.server", "web.websockets_server", "instrument"),
    ("websockets", "websockets.sync.server", "web.websockets_server", "instrument_sync"),
    ("jinja2", "jinja2", "web.jinja2", "instrument"),
    ("graphql", "graphql", "web.graphql", "instrument"),
    ("grpc", "grpc", "rpc.grpc", "instrument"),
    ("botocore", "botocore.client", "rpc.botocore", "instrument"),
    ("httpx", "httpx", "httpx_client", "instrument"),
    ("requests", "requests", "requests_client", "instrument"),
    ("urllib3", "urllib3.connectionpool", "urllib3_client", "instrument"),
    ("urllib", "urllib.request", "urllib_client", "instrument"),
    ("sqlite3", "sqlite3", "sqlite", "instrument"),
    ("aiosqlite", "aiosqlite.core", "aiosqlite", "instrument"),
    ("psycopg", "psycopg", "databases.psycopg", "instrument"),
    ("psycopg2", "psycopg2", "databases.psycopg2", "instrument"),
    ("asyncpg", "asyncpg", "databases.asyncpg", "instrument"),
    ("pymysql", "pymysql", "databases.pymysql", "instrument"),
    ("pymongo", "pymongo", "databases.pymongo", "instrument"),
    ("sqlalchemy", "sqlalchemy", "sqlalchemy", "instrument"),
    ("redis", "redis", "redis", "instrument"),
    ("celery", "celery.app.base", "messaging.celery", "instrument"),
    ("rq", "rq", "messaging.rq", "instrument"),
    ("pika", "pika", "messaging.pika", "instrument"),
    ("aio_pika", "aio_pika", "messaging.aio_pika", "instrument"),
    ("kafka", "kafka", "messaging.kafka_python", "instrument"),
    ("confluent_kafka", "confluent_kafka", "messaging.confluent_kafka", "instrument"),
    ("threads", "threading", "threads", "instrument"),
    ("logging", "logging", "log_records", "instrument_lines"),
)

# The names of the stock instrumentations in OTEL_PYTHON_DISABLED_INSTRUMENTATIONS, if they differ from ours. FastAPI's
# and Starlette's applications are both traced as ASGI applications.
_STOCK_NAMES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("aiohttp", "aiohttp_client"): ("aiohttp-client",),
    ("aiohttp", "aiohttp_server"): ("aiohttp-server",),
    ("asgi", "asgi_servers"): ("starlette", "fastapi"),
    ("grpc", "rpc.grpc"): ("grpc-client", "grpc-server", "grpc-aio-client", "grpc-aio-server"),
    ("threads", "threads"): ("threading",),
    ("aio_pika", "messaging.aio_pika"): ("aio-pika",),
    ("kafka", "messaging.kafka_python"): ("kafka-python",),
    ("confluent_kafka", "messaging.confluent_kafka"): ("confluent-kafka",),
}

# Libraries that another one calls: left out with it, or its calls would be traced all the same.
_BELOW: Mapping[str, str] = {"urllib3": "requests"}


def auto(
    config: str | Path | Mapping[str, Any] | None = None,
    *,
    service_name: str | None = None,
    environ: Mapping[str, str] | None = None,
    leave_out: Collection[str] = (),
    sampler: CustomSampler | None = None,
    id_generator: Any = None,
) -> Tracing:
    """Set up tracing and trace every supported library that the program imports.

    A library that is imported later is traced from then on. Supported are `aiohttp` (client and server), `asgi`
    (Starlette, FastAPI, applications served by uvicorn and hypercorn), `flask`, `django` (WSGI, ASGI, databases),
    `falcon`, `tornado` (server and client),
    `websockets` (client and server), `jinja2`, `graphql` (graphql-core, Strawberry, Graphene),
    `grpc`, `botocore` (boto3), `httpx`,
    `requests`, `urllib3`, `urllib`, `sqlite3`, `aiosqlite`, `psycopg`, `psycopg2`,
    `asyncpg`, `pymysql`, `pymongo`, `sqlalchemy`, `redis`,
    `celery`, `rq`, `pika`, `aio_pika`, `kafka` (kafka-python), `confluent_kafka`, `threads` (threads and executors),
    `logging`.

    Args:
        config: As for `setup`.
        service_name: As for `setup`.
        environ: As for `setup`.
        leave_out: Names in this list that are not traced.
        sampler: As for `setup`.
        id_generator: As for `setup`.

    Raises:
        ConfigError: As for `setup`, or if a name in `leave_out` is unknown.
    """
    check_names(leave_out)
    tracing = setup(config, service_name=service_name, environ=environ, sampler=sampler, id_generator=id_generator)
    disabled = {name.lower().replace("_", "-") for name in tracing.settings.leave_out}
    for name, library, module, function in _INTEGRATIONS:
        names = {name, _BELOW.get(name, name)}
        if not names & set(leave_out) and not disabled & {*names, "*", *_STOCK_NAMES.get((name, module), ())}:
            when_imported(library, name, _action(module, function))
    return tracing


def check_names(leave_out: Collection[str]) -> None:
    """Refuse names of libraries that `auto` does not support.

    Raises:
        ConfigError: If a name is unknown.
    """
    known = sorted({name for name, *_ in _INTEGRATIONS})
    for name in leave_out:
        if name not in known:
            near = get_close_matches(name, known, 1)
            raise ConfigError(
                source="leave_out",
                key="library name",
                found=repr(name),
                expected=f"one of {', '.join(known)}",
                suggestion=near[0] if near else "",
            )


def _action(module: str, function: str) -> Callable[[], None]:
    def instrument() -> None:
        getattr(import_module(f"devenv.tracing.integrations.{module}"), function)()

    return instrument
