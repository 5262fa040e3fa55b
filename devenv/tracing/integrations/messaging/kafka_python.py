"""kafka-python: a producer span for each record that is sent, and a consumer span for each turn of a loop, below it.

`for record in consumer:` processes a record until the next one is asked for, or the loop is left. `poll` has
a span itself if it returns records, because nothing says where their processing ends; their context is in
`record.headers`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from time import time_ns
from typing import Any

from kafka.consumer.group import KafkaConsumer  # type: ignore[import-untyped] # it has no types
from kafka.producer.kafka import KafkaProducer  # type: ignore[import-untyped] # it has no types

from devenv.tracing.integrations.messaging.kafka_records import SYSTEM, carrying, described, several
from devenv.tracing.integrations.messaging.message import Attributes, Block, processing, producing
from devenv.tracing.integrations.messaging.receive import receiving
from devenv.tracing.process.faults import fault
from devenv.tracing.process.patching import replace
from devenv.tracing.process.stock import taken
from devenv.tracing.spans import block_of

_WITH_HEADERS = (0, 11)
"""The first version of a broker that keeps headers."""


def instrument() -> None:
    """Trace every producer and consumer of the process."""
    if taken("kafka"):
        return
    replace(KafkaProducer, "send", _sending_record)
    replace(KafkaConsumer, "__iter__", _iterating)
    replace(KafkaConsumer, "poll", _polling)


def _sending_record(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def send(
        self: Any, topic: Any, value: Any = None, key: Any = None, headers: Any = None, *args: Any, **options: Any
    ) -> Any:
        with _sent(self, topic, value, options.get("partition")):
            return original(self, topic, value, key, _carrying(self, headers), *args, **options)

    return send


def _iterating(original: Callable[..., Any]) -> Callable[..., Iterator[Any]]:
    @wraps(original)
    def iterate(self: Any) -> Iterator[Any]:
        records = original(self)  # the consumer itself, so that a loop over it would come here again
        while True:
            try:
                record = next(records)
            except StopIteration:
                return
            with processing(SYSTEM, lambda: record.headers, lambda: _received(self, record)):  # noqa: B023 - at once
                yield record

    return iterate


def _polling(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def poll(self: Any, *args: Any, **options: Any) -> Any:
        begun = time_ns()
        found = original(self, *args, **options)
        if found and options.get("update_offsets", True):  # a loop over the consumer asks without
            _polled(self, found, begun)
        return found

    return poll


def _polled(consumer: Any, found: Any, begun: int) -> None:
    def describe() -> tuple[str, Attributes]:
        config = consumer.config
        return several(
            [(place.topic, place.partition) for place in found],
            sum(map(len, found.values())),
            group=config.get("group_id"),
            client=config.get("client_id"),
        )

    receiving(
        SYSTEM, begun, "poll", lambda: (record.headers for records in found.values() for record in records), describe
    )


def _sent(producer: Any, topic: Any, value: Any, partition: Any) -> Block:
    return block_of(
        SYSTEM,
        lambda: producing(
            SYSTEM, described(topic, partition=partition, client=producer.config.get("client_id"), empty=value is None)
        ),
    )


def _carrying(producer: Any, headers: Any) -> Any:
    try:
        version = producer.config.get("api_version")
        old = isinstance(version, tuple) and version < _WITH_HEADERS
    except Exception as error:  # noqa: BLE001 - logged
        fault(SYSTEM, error)
        return headers
    return headers if old else carrying(headers)


def _received(consumer: Any, record: Any) -> tuple[str, Attributes]:
    config = consumer.config
    return described(
        record.topic,
        partition=record.partition,
        offset=record.offset,
        group=config.get("group_id"),
        client=config.get("client_id"),
        empty=record.value is None,
    )
