"""pika: a producer span for each message that is published, and a consumer span for each callback, below it.

A message from `basic_get` or `consume` has no span, because nothing says where its processing ends; its context is in
`properties.headers`, for `tracing.attached`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from typing import Any

from pika.adapters.blocking_connection import BlockingChannel  # type: ignore[import-untyped] # it has no types
from pika.channel import Channel  # type: ignore[import-untyped] # it has no types
from pika.spec import BasicProperties  # type: ignore[import-untyped] # it has no types

from devenv.tracing.integrations.messaging.message import Attributes, Block, carry, processing, producing
from devenv.tracing.integrations.messaging.rabbitmq import PUBLISH, SYSTEM, Facts, described
from devenv.tracing.process.faults import fault
from devenv.tracing.process.patching import replace
from devenv.tracing.process.stock import taken
from devenv.tracing.spans import block_of

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
    def basic_consume(self: Any, queue: str, on_message_callback: Any, *args: Any, **options: Any) -> Any:
        return original(self, queue, _traced(on_message_callback, queue), *args, **options)

    return basic_consume


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
