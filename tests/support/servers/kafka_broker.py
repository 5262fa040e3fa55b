"""The Kafka broker that librdkafka has for tests, and a consumer of kafka-python that reads from it."""

from __future__ import annotations

import confluent_kafka
from kafka import KafkaConsumer, TopicPartition


def broker() -> tuple[confluent_kafka.Producer, str]:
    """The producer that the broker lives with, and the broker's address."""
    owner = confluent_kafka.Producer({"test.mock.num.brokers": 1})
    (found,) = owner.list_topics(timeout=10).brokers.values()
    return owner, f"{found.host}:{found.port}"


def reader(address: str, topic: str) -> KafkaConsumer:
    """A consumer of the topic's first partition, from its beginning.

    The partition is named, because a subscription gets none in 5 of 150 runs on a busy machine, with kafka-python
    alone and this broker; with a named partition, all of 300 runs read the record.
    """
    made = KafkaConsumer(
        bootstrap_servers=address,
        api_version=(2, 0),
        client_id="cook",
        auto_offset_reset="earliest",
        consumer_timeout_ms=20000,
    )
    made.assign([TopicPartition(topic, 0)])
    return made
