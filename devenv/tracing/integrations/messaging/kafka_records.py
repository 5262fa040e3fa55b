"""The attributes and headers of Kafka's records, for each of its clients.

They follow the semantic conventions for Kafka, which are in development
(https://opentelemetry.io/docs/specs/semconv/messaging/kafka/, schema 1.44.0). Keys are not recorded, because they often
name a person.
"""

from __future__ import annotations

from typing import Any

from devenv.tracing.integrations.messaging.message import Attributes, carry
from devenv.tracing.process.faults import fault

SYSTEM = "kafka"


def described(
    topic: Any, *, partition: Any = None, offset: Any = None, group: Any = None, client: Any = None, empty: bool = False
) -> tuple[str, Attributes]:
    """Return the name in the span, and the attributes; None is what is not known.

    Args:
        topic: The topic.
        partition: The partition.
        offset: The record's place in the partition.
        group: The group of the consumer.
        client: The name of the client.
        empty: Whether the record has no value, and deletes what has its key.
    """
    found: Attributes = {"messaging.destination.name": str(topic)}
    if isinstance(partition, int) and partition >= 0:
        found["messaging.destination.partition.id"] = str(partition)
    if isinstance(offset, int) and offset >= 0:
        found["messaging.kafka.offset"] = offset
    if group:
        found["messaging.consumer.group.name"] = str(group)
    if client:
        found["messaging.client.id"] = str(client)
    if empty:
        found["messaging.kafka.message.tombstone"] = True
    return str(topic), found


def several(
    places: list[tuple[str, int]], count: int, *, group: Any = None, client: Any = None
) -> tuple[str, Attributes]:
    """Return the name in the span, and the attributes, of a call that returned records.

    Args:
        places: The topics and partitions of the records; what they have in common is recorded.
        count: The number of the records.
        group: As for `described`.
        client: As for `described`.
    """
    topics = {topic for topic, _ in places}
    partitions = set(places)
    partition = places[0][1] if len(partitions) == 1 else None
    name, found = described(places[0][0], partition=partition, group=group, client=client)
    if len(topics) > 1:
        name = ""
        del found["messaging.destination.name"]
    return name, {**found, "messaging.batch.message_count": count}


def carrying(headers: Any) -> Any:
    """Return headers with the present context; the same object without a context, or if they are wrong."""
    try:
        added: dict[str, str] = {}
        carry(SYSTEM, added)
        if not added or not isinstance(headers, (list, dict, type(None))):
            return headers
        pairs = {name: value.encode() for name, value in added.items()}
        if isinstance(headers, dict):
            return {**headers, **pairs}
        # A record that is passed on has the headers that it came with.
        kept = [item for item in headers or () if not (isinstance(item, tuple) and item and item[0] in pairs)]
        return [*kept, *pairs.items()]
    except Exception as error:  # noqa: BLE001 - logged
        fault(SYSTEM, error)
        return headers
