"""aio-pika: a producer span for each message that is published, and a consumer span for its processing, below it.

The processing is a callback of `consume`, or, for messages of an iterator and of `get`, the block
`async with message.process()`.
"""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from aio_pika.exchange import Exchange
from aio_pika.message import IncomingMessage, Message, ProcessContext
from aio_pika.queue import Queue
from opentelemetry.trace import SpanKind

from devenv.tracing.context.ambient import SPAN_KEY, current
from devenv.tracing.integrations.messaging.message import Attributes, Block, carry, processing, producing
from devenv.tracing.integrations.messaging.rabbitmq import PUBLISH, SYSTEM, Facts, described
from devenv.tracing.process.faults import fault
from devenv.tracing.process.patching import replace
from devenv.tracing.process.stock import taken
from devenv.tracing.spans import block_of

_BLOCK = "_devenv_block"
"""Attribute of a process context: the block that it is in."""


def instrument() -> None:
    """Trace every exchange and queue of the process."""
    if taken("aio_pika"):
        return
    replace(Exchange, "publish", _publishing)
    replace(Queue, "consume", _consuming)
    replace(ProcessContext, "__aenter__", _entering)
    replace(ProcessContext, "__aexit__", _leaving)


def _publishing(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @wraps(original)
    async def publish(self: Any, message: Any, routing_key: str, *args: Any, **options: Any) -> Any:
        with _published(self, message, routing_key):
            return await original(self, _carrying(message), routing_key, *args, **options)

    return publish


def _consuming(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @wraps(original)
    async def consume(self: Any, callback: Any, *args: Any, **options: Any) -> Any:
        return await original(self, _traced(callback, self.name), *args, **options)

    return consume


def _traced(callback: Any, queue: str) -> Any:
    # The iterator's own callback only keeps a message for the program.
    if not callable(callback) or str(getattr(callback, "__module__", "")).startswith("aio_pika."):
        return callback

    async def on_message(message: Any) -> Any:
        with processing(SYSTEM, lambda: message.headers, lambda: _received(message, queue)):
            answer = callback(message)
            return await answer if hasattr(answer, "__await__") else answer

    return on_message


def _entering(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @wraps(original)
    async def enter(self: Any) -> Any:
        _begin(self)
        return await original(self)

    return enter


def _leaving(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @wraps(original)
    async def leave(self: Any, exc_type: Any, exc: Any, traceback: Any) -> Any:
        try:
            return await original(self, exc_type, exc, traceback)
        finally:
            _end(self, exc_type, exc, traceback)

    return leave


def _begin(process: Any) -> None:
    try:
        above: Any = current().get(SPAN_KEY)
        if getattr(above, "kind", None) is SpanKind.CONSUMER:  # in a callback of `consume`
            return
        message = process.message
        block = processing(SYSTEM, lambda: message.headers, lambda: _received(message, ""))
        block.__enter__()
        setattr(process, _BLOCK, block)
    except Exception as error:  # noqa: BLE001 - logged
        fault(SYSTEM, error)


def _end(process: Any, exc_type: Any, exc: Any, traceback: Any) -> None:
    try:
        block: Block | None = vars(process).pop(_BLOCK, None)
        if block is not None:
            block.__exit__(exc_type, exc, traceback)
    except Exception as error:  # noqa: BLE001 - logged
        fault(SYSTEM, error)


def _published(exchange: Any, message: Any, routing_key: str) -> Block:
    return block_of(
        SYSTEM,
        lambda: producing(
            SYSTEM, described(_facts(message)._replace(exchange=exchange.name, routing_key=routing_key)), PUBLISH
        ),
    )


def _received(message: Any, queue: str) -> tuple[str, Attributes]:
    return described(
        _facts(message)._replace(
            exchange=message.exchange or "",
            routing_key=message.routing_key or "",
            queue=queue,
            delivery_tag=message.delivery_tag,
        )
    )


def _facts(message: Any) -> Facts:
    return Facts(
        "",
        "",
        message_id=message.message_id,
        correlation_id=message.correlation_id,
    )


def _carrying(message: Any) -> Any:
    """Return a copy of a message with the present context: the program may publish its own one again."""
    try:
        headers: dict[str, Any] = {}
        carry(SYSTEM, headers)
        if not headers:
            return message
        # A subclass has its own state, which a copy would lose.
        made = copy.copy(message) if type(message) in {Message, IncomingMessage} else message
        made.headers = {**(message.headers or {}), **headers}
    except Exception as error:  # noqa: BLE001 - logged
        fault(SYSTEM, error)
        return message
    return made
