"""pika: a producer span for each message that is published, and a consumer span for each callback, below it.

`for … in channel.consume(…)` processes a message until the next one is asked for, or the loop is left. `basic_get` of a
blocking channel has a span itself, because nothing says where the processing of its message ends; the message's context
is in `properties.headers`, for `tracing.attached`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import wraps
from time import time_ns
from typing import Any

from opentelemetry.trace import INVALID_SPAN
from pika.adapters.blocking_connection import BlockingChannel  # type: ignore[import-untyped] # it has no types
from pika.channel import Channel  # type: ignore[import-untyped] # it has no types
from pika.spec import BasicProperties  # type: ignore[import-untyped] # it has no types

from devenv.tracing.integrations.messaging.message import Attributes, Block, carry, processing, producing
from devenv.tracing.integrations.messaging.rabbitmq import PUBLISH, SYSTEM, Facts, described
from devenv.tracing.integrations.messaging.receive import receiving
from devenv.tracing.process.faults import fault
from devenv.tracing.process.patching import replace
from devenv.tracing.process.stock import taken
from devenv.tracing.spans import block_of

_CALLBACKS = frozenset({"on_message_callback", "callback"})
_below: ContextVar[bool] = ContextVar("devenv_pika_below", default=False)
"""Whether a blocking channel publishes, which calls the other kind of channel."""


def instrument() -> None:
    """Trace every channel of the process, of every kind of connection."""
    if taken("pika"):
        return
    replace(BlockingChannel, "basic_publish", _publishing_blocking)
    replace(Channel, "basic_publish", _publishing)
    replace(BlockingChannel, "basic_consume", _consuming)
    replace(Channel, "basic_consume", _consuming)
    replace(BlockingChannel, "consume", _looping)
    replace(BlockingChannel, "basic_get", _getting)
    replace(Channel, "basic_get", _consuming)


def _publishing_blocking(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def basic_publish(
        self: Any, exchange: str, routing_key: str, body: Any, properties: Any = None, *args: Any, **options: Any
    ) -> Any:
        with _published(self, exchange, routing_key, properties):
            carrying = _carrying(properties)
            token = _below.set(True)
            try:
                return original(self, exchange, routing_key, body, carrying, *args, **options)
            finally:
                _below.reset(token)

    return basic_publish


def _publishing(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def basic_publish(
        self: Any, exchange: str, routing_key: str, body: Any, properties: Any = None, *args: Any, **options: Any
    ) -> Any:
        if _below.get():
            return original(self, exchange, routing_key, body, properties, *args, **options)
        with _published(self, exchange, routing_key, properties):
            return original(self, exchange, routing_key, body, _carrying(properties), *args, **options)

    return basic_publish


def _consuming(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def basic_consume(self: Any, queue: str, *args: Any, **options: Any) -> Any:
        if args:
            args = (_traced(args[0], queue), *args[1:])
        else:
            options = {name: _traced(given, queue) if name in _CALLBACKS else given for name, given in options.items()}
        return original(self, queue, *args, **options)

    return basic_consume


def _looping(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def consume(self: Any, queue: str, *args: Any, **options: Any) -> Iterator[Any]:
        messages = original(self, queue, *args, **options)
        try:
            for message in messages:
                with _turn(self, queue, message):
                    yield message
        finally:
            messages.close()

    return consume


def _turn(channel: Any, queue: str, message: Any) -> Block:
    """Return the block of a turn of a loop; one without a message, after a time of waiting, does nothing."""
    if message[0] is None:
        return INVALID_SPAN
    return processing(SYSTEM, lambda: message[1].headers, lambda: _received(channel, message[0], message[1], queue))


def _getting(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def basic_get(self: Any, queue: str, *args: Any, **options: Any) -> Any:
        begun = time_ns()
        message = original(self, queue, *args, **options)
        if message[0] is not None:
            receiving(
                SYSTEM,
                begun,
                "receive",
                lambda: [message[1].headers],
                lambda: _received(self, message[0], message[1], queue),
            )
        return message

    return basic_get


def _traced(callback: Any, queue: str) -> Any:
    # pika's own callbacks only keep a message for the program.
    if not callable(callback) or str(getattr(callback, "__module__", "")).startswith("pika."):
        return callback

    def on_message(channel: Any, method: Any, properties: Any, body: Any) -> Any:
        def headers() -> Any:
            return getattr(properties, "headers", None)

        with processing(SYSTEM, headers, lambda: _received(channel, method, properties, queue)):
            return callback(channel, method, properties, body)

    return on_message


def _published(channel: Any, exchange: str, routing_key: str, properties: Any) -> Block:
    return block_of(
        SYSTEM,
        lambda: producing(
            SYSTEM,
            described(_facts(channel, properties)._replace(exchange=exchange, routing_key=routing_key)),
            PUBLISH,
        ),
    )


def _received(channel: Any, method: Any, properties: Any, queue: str) -> tuple[str, Attributes]:
    return described(
        _facts(channel, properties)._replace(
            exchange=method.exchange,
            routing_key=method.routing_key,
            queue=queue,
            delivery_tag=method.delivery_tag,
        )
    )


def _facts(channel: Any, properties: Any) -> Facts:
    connection = getattr(getattr(channel, "_impl", channel), "connection", None)
    parameters = getattr(connection, "params", None)
    return Facts(
        "",
        "",
        message_id=getattr(properties, "message_id", None),
        correlation_id=getattr(properties, "correlation_id", None),
        host=getattr(parameters, "host", None),
        port=getattr(parameters, "port", None),
    )


def _carrying(properties: Any) -> Any:
    """Return a copy of the properties with the present context: the program may use its own ones again."""
    try:
        headers: dict[str, Any] = {}
        carry(SYSTEM, headers)
        if not headers:
            return properties
        made = copy.copy(properties) if properties is not None else BasicProperties()
        made.headers = {**(made.headers or {}), **headers}
    except Exception as error:  # noqa: BLE001 - logged
        fault(SYSTEM, error)
        return properties
    return made
