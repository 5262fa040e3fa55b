"""redis-py: a client span for each command or pipeline, synchronous and asynchronous."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import redis
import redis.asyncio

from devenv.tracing.process.patching import replace
from devenv.tracing.spans import KINDS, SpanScope, block_of

_LONGEST = 20


def instrument() -> None:
    """Trace every client of the process. Keys and values are not recorded."""
    replace(redis.Redis, "execute_command", _command)
    replace(redis.client.Pipeline, "execute", _pipeline)
    replace(redis.asyncio.Redis, "execute_command", _async_command)
    replace(redis.asyncio.client.Pipeline, "execute", _async_pipeline)


def _command(original: Callable[..., Any]) -> Callable[..., Any]:
    def execute_command(self: Any, *args: Any, **options: Any) -> Any:
        with block_of("redis", lambda: _single(self, args)):
            return original(self, *args, **options)

    return execute_command


def _async_command(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def execute_command(self: Any, *args: Any, **options: Any) -> Any:
        with block_of("redis", lambda: _single(self, args)):
            return await original(self, *args, **options)

    return execute_command


def _pipeline(original: Callable[..., Any]) -> Callable[..., Any]:
    def execute(self: Any, *args: Any, **options: Any) -> Any:
        with block_of("redis", lambda: _batch(self)):
            return original(self, *args, **options)

    return execute


def _async_pipeline(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def execute(self: Any, *args: Any, **options: Any) -> Any:
        with block_of("redis", lambda: _batch(self)):
            return await original(self, *args, **options)

    return execute


def _name(args: tuple[Any, ...]) -> str:
    return str(args[0]).upper() if args else "COMMAND"


def _text(args: tuple[Any, ...]) -> str:
    return " ".join([_name(args), *("?" for _ in args[1 : _LONGEST + 1])])


def _single(client: Any, args: tuple[Any, ...]) -> SpanScope:
    return _scope(client, _name(args), _text(args))


def _batch(pipeline: Any) -> SpanScope:
    commands = [entry[0] if isinstance(entry, tuple) else entry.args for entry in pipeline.command_stack]
    text = "\n".join(_text(tuple(command)) for command in commands[:_LONGEST])
    return _scope(pipeline, "PIPELINE", text, len(commands))


def _scope(client: Any, name: str, text: str, batch: int = 0) -> SpanScope:
    options = client.connection_pool.connection_kwargs
    attributes: dict[str, Any] = {"db.system.name": "redis", "db.operation.name": name, "db.query.text": text}
    if options.get("host"):
        attributes["server.address"] = options["host"]
        if options.get("port", 6379) != 6379:
            attributes["server.port"] = options["port"]
    attributes["db.namespace"] = str(options.get("db") or 0)
    if batch:
        attributes["db.operation.batch.size"] = batch
    return SpanScope(name, KINDS["client"], attributes)
