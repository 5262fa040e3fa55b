"""`auto`: sets up tracing and traces the libraries that the program uses, without code changes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from devenv.tracing.errors import ConfigError
from devenv.tracing.integrations.on_import import when_imported
from devenv.tracing.integrations.supported import BELOW, INTEGRATIONS, STOCK_NAMES
from devenv.tracing.light.decision import CustomSampler
from devenv.tracing.runtime import Tracing, setup


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
    for name, library, module, function in INTEGRATIONS:
        names = {name, BELOW.get(name, name)}
        if not names & set(leave_out) and not disabled & {*names, "*", *STOCK_NAMES.get((name, module), ())}:
            when_imported(library, name, _action(module, function))
    return tracing


def check_names(leave_out: Collection[str]) -> None:
    """Refuse names of libraries that `auto` does not support.

    Raises:
        ConfigError: If a name is unknown.
    """
    known = sorted({name for name, *_ in INTEGRATIONS})
    for name in leave_out:
        if name not in known:
            from difflib import get_close_matches

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
