"""redis-py: a client span for each command or pipeline, synchronous and asynchronous.

Attributes and names follow the semantic conventions for Redis, which are in development
(https://opentelemetry.io/docs/specs/semconv/db/redis/, schema 1.44.0). `db.namespace` is the index of the database with
which the client was created.
"""

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
_SCRIPTED = frozenset({"EVALSHA", "EVALSHA_RO", "FCALL", "FCALL_RO"})
"""Commands whose first argument is the digest or the name of a script that the server has."""
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
    name = _name(args)
    own = {"db.query.text": _text(args)} if state.passive() is None else None
    script = args[1] if name in _SCRIPTED and len(args) > 1 else ""
    return _scope(client, name, own, script.decode() if isinstance(script, bytes) else str(script))


def _batch(pipeline: Any) -> SpanScope | Span:
    commands = [tuple(entry[0] if isinstance(entry, tuple) else entry.args) for entry in pipeline.command_stack]
    if len(commands) == 1:
        return _single(pipeline, commands[0])
    is_transaction = getattr(pipeline, "is_transaction", None)  # asynchronous ones have another name for it
    if is_transaction is None:
        is_transaction = getattr(pipeline, "transaction", False)
    kind = "MULTI" if is_transaction is True or pipeline.explicit_transaction else "PIPELINE"
    names = {_name(command) for command in commands}
    own = None
    if state.passive() is None:
        text = "\n".join(_text(command) for command in commands[:_LONGEST])
        own = {"db.query.text": text, "db.operation.batch.size": len(commands)}
    return _scope(pipeline, " ".join([kind, *(names if len(names) == 1 else ())]), own)


def _scope(client: Any, name: str, own: dict[str, Any] | None, script: str = "") -> SpanScope | Span:
    options = client.connection_pool.connection_kwargs
    host, port = str(options.get("host") or options.get("path") or ""), options.get("port", _PORT)
    title, shared = _shared(name, script, host, port, str(options.get("db") or 0))
    return sql.new_scope(title, SpanKind.CLIENT, own, None, shared)


@lru_cache(maxsize=512)
def _shared(name: str, script: str, host: str, port: Any, database: str) -> tuple[str, Shared]:
    values: dict[str, Any] = {"db.system.name": "redis", "db.operation.name": name, "db.namespace": database}
    if script:
        values["db.stored_procedure.name"] = script
    if host:
        values["server.address"] = host
        if port != _PORT and not host.startswith("/"):
            values["server.port"] = port
    return f"{name} {script}".rstrip(), Shared(values)
