"""redis-py: a client span for each command or pipeline, synchronous and asynchronous.

Attributes and names follow the semantic conventions for Redis, which are in development
(https://opentelemetry.io/docs/specs/semconv/db/redis/, schema 1.44.0). `db.namespace` is the index of the database with
which the client was created.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import redis
import redis.asyncio

from devenv.tracing.process.faults import fault
from devenv.tracing.process.patching import replace
from devenv.tracing.spans import KINDS, SpanScope, block_of

_LONGEST = 20
_SCRIPTED = frozenset({"EVALSHA", "EVALSHA_RO", "FCALL", "FCALL_RO"})
"""Commands whose first argument is the digest or the name of a script that the server has."""


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


def _single(client: Any, args: tuple[Any, ...]) -> RedisScope:
    name = _name(args)
    script = args[1] if name in _SCRIPTED and len(args) > 1 else ""
    return _scope(client, name, _text(args), script.decode() if isinstance(script, bytes) else str(script))


def _batch(pipeline: Any) -> RedisScope:
    commands = [tuple(entry[0] if isinstance(entry, tuple) else entry.args) for entry in pipeline.command_stack]
    if len(commands) == 1:
        return _single(pipeline, commands[0])
    is_transaction = getattr(pipeline, "is_transaction", None)  # asynchronous ones have another name for it
    if is_transaction is None:
        is_transaction = getattr(pipeline, "transaction", False)
    kind = "MULTI" if is_transaction is True or pipeline.explicit_transaction else "PIPELINE"
    names = {_name(command) for command in commands}
    text = "\n".join(_text(command) for command in commands[:_LONGEST])
    return _scope(pipeline, " ".join([kind, *(names if len(names) == 1 else ())]), text, batch=len(commands))


class RedisScope(SpanScope):
    """The span of a command or pipeline: a failure has the code with which the server's answer begins."""

    __slots__ = ()

    def _broken(self, exc: BaseException) -> None:
        try:
            code = getattr(exc, "status_code", None)
            if not code and isinstance(exc, redis.ResponseError):
                # Older versions of the library keep the code in the text, but for the most general one.
                code = str(exc).partition(" ")[0]
                code = code if code.isupper() else "ERR"
            if code:
                self._span.set_attribute("db.response.status_code", str(code))
        except Exception as error:  # noqa: BLE001 - logged; the failure itself is recorded all the same
            fault("redis", error)
        super()._broken(exc)


def _scope(client: Any, name: str, text: str, script: str = "", batch: int | None = None) -> RedisScope:
    options = client.connection_pool.connection_kwargs
    attributes: dict[str, Any] = {"db.system.name": "redis", "db.operation.name": name, "db.query.text": text}
    if options.get("host"):
        attributes["server.address"] = options["host"]
        if options.get("port", 6379) != 6379:
            attributes["server.port"] = options["port"]
    elif options.get("path"):
        attributes["server.address"] = options["path"]
    attributes["db.namespace"] = str(options.get("db") or 0)
    if script:
        attributes["db.stored_procedure.name"] = script
    if batch is not None:
        attributes["db.operation.batch.size"] = batch
    return RedisScope(f"{name} {script}".rstrip(), KINDS["client"], attributes)
