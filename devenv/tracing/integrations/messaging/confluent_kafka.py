"""confluent-kafka: a producer span for each record that is sent, a consumer span for a record from `poll`, below it.

A record is processed until the consumer is asked for the next one, or is closed, which is also how OpenTelemetry's own
instrumentation decides. `consume` has a span itself if it returns records. The classes of the library are compiled and
cannot be changed, so the names in `confluent_kafka` become subclasses.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from time import time_ns
from typing import Any

import confluent_kafka

from devenv.tracing.integrations.messaging.kafka_records import SYSTEM, carrying, described, several
from devenv.tracing.integrations.messaging.message import Block, processing, producing
from devenv.tracing.integrations.messaging.receive import receiving
from devenv.tracing.process.faults import fault
from devenv.tracing.process.patching import replace
from devenv.tracing.process.stock import taken
from devenv.tracing.spans import block_of

_OPEN = "_devenv_block"
"""Attribute of a consumer: the block of the record that is processed."""
_CONFIGURED = "_devenv_configured"
"""Attribute of a client: its ID and its group in its configuration; None for what is not there."""
_UNKNOWN = (None, None)
_HEADERS_AT = 8
"""The place of the headers among the arguments of `produce`, after the topic."""


def instrument() -> None:
    """Trace every producer and consumer that is created from now on."""
    if taken("confluent_kafka"):
        return
    replace(confluent_kafka, "Producer", _traced_producer)
    replace(confluent_kafka, "Consumer", _traced_consumer)
    replace(confluent_kafka.SerializingProducer, "produce", _producing)
    replace(confluent_kafka.DeserializingConsumer, "poll", _polling)
    replace(confluent_kafka.DeserializingConsumer, "close", _closing)
    for owner in (confluent_kafka.SerializingProducer, confluent_kafka.DeserializingConsumer):
        replace(owner, "__init__", _creating)


def _traced_producer(original: Any) -> Any:
    methods = {"__init__": _creating(original.__init__), "produce": _producing(original.produce)}
    return type(original.__name__, (original,), {**methods, **_like(original)})


def _traced_consumer(original: Any) -> Any:
    methods = {name: make(getattr(original, name)) for name, make in _CONSUMING.items()}
    return type(original.__name__, (original,), {**methods, **_like(original)})


def _like(original: Any) -> dict[str, Any]:
    return {"__module__": original.__module__, "__doc__": original.__doc__}


def _creating(original: Callable[..., None]) -> Callable[..., None]:
    @wraps(original)
    def init(self: Any, *args: Any, **options: Any) -> None:
        original(self, *args, **options)
        _note(self, args, options)

    return init


def _note(client: Any, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    """Keep what spans need of a client's configuration, which the library does not tell later."""
    try:
        given = {**(args[0] if args else options.get("config") or options.get("conf") or {}), **options}
        setattr(client, _CONFIGURED, (given.get("client.id"), given.get("group.id")))
    except Exception as error:  # noqa: BLE001 - logged
        fault(SYSTEM, error)


def _producing(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def produce(self: Any, topic: Any, *args: Any, **options: Any) -> Any:
        with _sent(self, topic, args, options):
            return original(self, topic, *args, **_carrying(args, options))

    return produce


def _polling(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def poll(self: Any, *args: Any, **options: Any) -> Any:
        _end(self)
        message = original(self, *args, **options)
        _begin(self, message)
        return message

    return poll


def _closing(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def close(self: Any, *args: Any, **options: Any) -> Any:
        _end(self)
        return original(self, *args, **options)

    return close


def _getting(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def consume(self: Any, *args: Any, **options: Any) -> Any:
        _end(self)
        begun = time_ns()
        found = original(self, *args, **options)
        _got(self, found, begun)
        return found

    return consume


def _got(consumer: Any, found: Any, begun: int) -> None:
    try:
        client, group = getattr(consumer, _CONFIGURED, _UNKNOWN)
        records = [record for record in found or () if record.error() is None]
        if records:
            receiving(
                SYSTEM,
                begun,
                "consume",
                lambda: (record.headers() for record in records),
                lambda: several(
                    [(record.topic(), record.partition()) for record in records],
                    len(records),
                    group=group,
                    client=client,
                ),
            )
    except Exception as error:  # noqa: BLE001 - logged
        fault(SYSTEM, error)


_CONSUMING = {"__init__": _creating, "poll": _polling, "consume": _getting, "close": _closing}


def _sent(producer: Any, topic: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Block:
    value = args[0] if args else options.get("value")
    partition = args[2] if len(args) > 2 else options.get("partition")
    client, _ = getattr(producer, _CONFIGURED, _UNKNOWN)
    return block_of(
        SYSTEM, lambda: producing(SYSTEM, described(topic, partition=partition, client=client, empty=value is None))
    )


def _carrying(args: tuple[Any, ...], options: dict[str, Any]) -> dict[str, Any]:
    if len(args) >= _HEADERS_AT:
        return options
    headers = carrying(options.get("headers"))
    return options if headers is None else {**options, "headers": headers}


def _begin(consumer: Any, message: Any) -> None:
    try:
        if message is None or message.error() is not None:
            return
        empty = message.value() is None
        client, group = getattr(consumer, _CONFIGURED, _UNKNOWN)
        found = {"partition": message.partition(), "offset": message.offset(), "group": group, "client": client}
        block = processing(SYSTEM, message.headers, lambda: described(message.topic(), **found, empty=empty))
        block.__enter__()
        setattr(consumer, _OPEN, block)
    except Exception as error:  # noqa: BLE001 - logged
        fault(SYSTEM, error)


def _end(consumer: Any) -> None:
    try:
        block: Block | None = vars(consumer).pop(_OPEN, None)
        if block is not None:
            block.__exit__(None, None, None)
    except Exception as error:  # noqa: BLE001 - logged
        fault(SYSTEM, error)
