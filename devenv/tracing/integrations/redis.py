"""redis-py: a client span for each command or pipeline, synchronous and asynchronous."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any

import redis
import redis.asyncio
from opentelemetry.trace import Span, SpanKind

from devenv.tracing import sql
from devenv.tracing.active import state
from devenv.tracing.databases.target import DEFAULT_PORTS
from devenv.tracing.light.shared import Shared
from devenv.tracing.process.patching import replace
from devenv.tracing.spans import SpanScope
from devenv.tracing.sql import statement_block

_LONGEST = 20
_PORT = DEFAULT_PORTS["redis"]


def instrument() -> None:
    """Trace every client of the process. Keys and values are not recorded."""
    replace(redis.Redis, "execute_command", _command)
    replace(redis.client.Pipeline, "execute", _pipeline)
    replace(redis.asyncio.Redis, "execute_command", _async_command)
    replace(redis.asyncio.client.Pipeline, "execute", _async_pipeline)


def _command(original: Callable[..., Any]) -> Callable[..., Any]:
    def execute_command(self: Any, *args: Any, **options: Any) -> Any:
        with statement_block("redis", lambda: _single(self, args)):
            return original(self, *args, **options)

    return execute_command


def _async_command(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def execute_command(self: Any, *args: Any, **options: Any) -> Any:
        with statement_block("redis", lambda: _single(self, args)):
            return await original(self, *args, **options)

    return execute_command


def _pipeline(original: Callable[..., Any]) -> Callable[..., Any]:
    def execute(self: Any, *args: Any, **options: Any) -> Any:
        with statement_block("redis", lambda: _batch(self)):
            return original(self, *args, **options)

    return execute


def _async_pipeline(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def execute(self: Any, *args: Any, **options: Any) -> Any:
        with statement_block("redis", lambda: _batch(self)):
            return await original(self, *args, **options)

    return execute


def _name(args: tuple[Any, ...]) -> str:
    return str(args[0]).upper() if args else "COMMAND"


def _text(args: tuple[Any, ...]) -> str:
    return " ".join([_name(args), *("?" for _ in args[1 : _LONGEST + 1])])


def _single(client: Any, args: tuple[Any, ...]) -> SpanScope | Span:
    own = {"db.query.text": _text(args)} if state.passive() is None else None
    return _scope(client, _name(args), own)


def _batch(pipeline: Any) -> SpanScope | Span:
    if state.passive() is not None:
        return _scope(pipeline, "PIPELINE", None)
    commands = [entry[0] if isinstance(entry, tuple) else entry.args for entry in pipeline.command_stack]
    own: dict[str, Any] = {"db.query.text": "\n".join(_text(tuple(command)) for command in commands[:_LONGEST])}
    if commands:
        own["db.operation.batch.size"] = len(commands)
    return _scope(pipeline, "PIPELINE", own)


def _scope(client: Any, name: str, own: dict[str, Any] | None) -> SpanScope | Span:
    options = client.connection_pool.connection_kwargs
    shared = _shared(name, str(options.get("host") or ""), options.get("port", _PORT), str(options.get("db") or 0))
    return sql.new_scope(name, SpanKind.CLIENT, own, None, shared)


@lru_cache(maxsize=512)
def _shared(name: str, host: str, port: Any, database: str) -> Shared:
    values: dict[str, Any] = {"db.system.name": "redis", "db.operation.name": name, "db.namespace": database}
    if host:
        values["server.address"] = host
        if port != _PORT:
            values["server.port"] = port
    return Shared(values)
