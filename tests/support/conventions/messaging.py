"""The cases of messages: each real library sends one, processes it, and fails; Redis is a real one."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aio_pika
import confluent_kafka
import pika
import redis
import rq
from celery.app.base import Celery
from conventions.cases import Place, Steps, case, raising
from conventions.check import Expected, expected
from kafka import KafkaProducer
from servers import kafka_broker
from servers.amqp import Broker, deliver, exchange, open_channel, queue

from devenv import tracing
from devenv.tracing.integrations.messaging import aio_pika as aio_pika_integration
from devenv.tracing.integrations.messaging import celery as celery_integration
from devenv.tracing.integrations.messaging import confluent_kafka as confluent_integration
from devenv.tracing.integrations.messaging import kafka_python as kafka_python_integration
from devenv.tracing.integrations.messaging import pika as pika_integration
from devenv.tracing.integrations.messaging import rq as rq_integration

_topics = itertools.count()


def fail(*_arguments: Any) -> Any:
    raise ValueError("own")


def add(one: int, other: int) -> int:
    return one + other


@case("TracedQueue")
async def by_queue(_place: Place) -> AsyncIterator[list[Expected]]:
    items: tracing.TracedQueue[int] = tracing.TracedQueue("jobs")
    await items.put(1)
    async with items.process():
        pass
    yield [expected("messaging.send", "-identified"), expected("messaging.process", "-identified")]
    await items.put(1)
    await items.put(2)
    sent = [expected("messaging.send", "-identified")] * 2
    with raising(ValueError):
        async with items.process_batch(2):
            fail()
    yield [*sent, expected("messaging.process", "-identified", "batched", "failed")]


@case("ThreadQueue")
def by_thread_queue(_place: Place) -> Steps:
    items: tracing.ThreadQueue[int] = tracing.ThreadQueue("jobs")
    items.put(1)
    with raising(ValueError), items.process():
        fail()
    yield [expected("messaging.send", "-identified"), expected("messaging.process", "-identified", "failed")]


@case("messaging.celery")
def by_celery(_place: Place) -> Steps:
    celery_integration.instrument()
    try:
        with Celery("shop", broker="memory://", backend="cache+memory://", set_as_current=False) as app:
            app.conf.update(task_publish_retry=False)
            app.task(name="add", shared=False)(add)
            app.task(name="fail", shared=False)(fail)
            app.tasks["add"].delay(1, 2)
            yield [expected("messaging.send")]
            app.conf.task_always_eager = True
            app.tasks["add"].delay(1, 2)
            yield [expected("messaging.process", "-placed")]
            app.tasks["fail"].delay(1)
            yield [expected("messaging.process", "-placed", "failed")]
    finally:
        celery_integration.uninstrument()


class QuietWorker(rq.SimpleWorker):
    """A worker that leaves the signals of the tests' process as they are."""

    def _install_signal_handlers(self) -> None:
        pass


@case("messaging.rq", needs="redis")
def by_rq(place: Place) -> Steps:
    rq_integration.instrument()
    with redis.Redis(port=place.server.port) as connection:
        jobs = rq.Queue("jobs", connection=connection)
        for function, outcome in ((id, ()), (fail, ("failed",))):
            jobs.enqueue(function, None)
            yield [expected("messaging.send")]
            QuietWorker([jobs], connection=connection).work(burst=True, logging_level="CRITICAL")
            yield [expected("messaging.process", *outcome)]
        connection.flushall()


@case("messaging.pika")
def by_pika(_place: Place) -> Steps:
    pika_integration.instrument()
    known = ("on-server", "addressed")
    channel = open_channel()
    properties = pika.BasicProperties(message_id="m1", correlation_id="c1")
    tag = channel.basic_consume("orders", lambda *arguments: None)
    channel.basic_publish("shop", "paid", b"body", properties)
    deliver(channel, tag)
    yield [expected(f"rabbitmq.{way}", "conversing", *known) for way in ("send", "process")]
    failing = channel.basic_consume("amq.gen-1", fail)
    channel.basic_publish("", "amq.gen-1", b"body")
    with raising(ValueError):
        deliver(channel, failing)
    made_up = ("-identified", "anonymous", *known)
    yield [expected("rabbitmq.send", *made_up), expected("rabbitmq.process", "failed", *made_up)]


@case("messaging.pika [server]", needs="rabbitmq")
def by_pika_with_server(place: Place) -> Steps:
    pika_integration.instrument()
    known = ("on-server", "addressed")
    connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", place.server))
    channel = connection.channel()
    channel.queue_declare("pens", exclusive=True)
    channel.basic_publish("", "pens", b"1", pika.BasicProperties(message_id="m1"))
    channel.basic_publish("", "pens", b"2", pika.BasicProperties(message_id="m2"))
    yield [expected("rabbitmq.send", *known)] * 2
    while channel.basic_get("pens", auto_ack=True)[0] is None:
        pass
    yield [expected("rabbitmq.receive", *known)]
    for _message in channel.consume("pens", auto_ack=True, inactivity_timeout=10):
        break
    channel.cancel()
    yield [expected("rabbitmq.process", *known)]
    connection.close()


@case("messaging.aio_pika")
async def by_aio_pika(_place: Place) -> AsyncIterator[list[Expected]]:
    aio_pika_integration.instrument()
    broker = Broker()

    async def on_message(message: Any) -> None:
        async with message.process():
            pass

    await queue(broker).consume(on_message)
    await exchange(broker).publish(aio_pika.Message(b"body", message_id="m1"), "paid")
    yield [expected("rabbitmq.send"), expected("rabbitmq.process")]
    broker.confirming = False
    with raising(aio_pika.exceptions.DeliveryError):
        await exchange(broker).publish(aio_pika.Message(b"body", message_id="m1"), "paid")
    yield [expected("rabbitmq.send", "failed")]


@case("messaging.confluent_kafka")
def by_confluent_kafka(_place: Place) -> Steps:
    confluent_integration.instrument()
    _owner, address = kafka_broker.broker()
    topic = f"orders-{next(_topics)}"
    producer = confluent_kafka.Producer({"bootstrap.servers": address, "message.max.bytes": 1000, "client.id": "till"})
    producer.produce(topic, b"body", "key", 0)
    producer.flush(10)
    yield [expected("kafka.send", "-identified", "client-named")]
    producer.produce(topic, None, "key")
    producer.flush(10)
    yield [expected("kafka.send", "-identified", "client-named", "-partitioned", "tombstone")]
    with raising(confluent_kafka.KafkaException):
        producer.produce(topic, b"x" * 100000, partition=0)
    yield [expected("kafka.send", "-identified", "client-named", "failed")]
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": address, "group.id": topic, "auto.offset.reset": "earliest"}
    )
    consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])  # the record without a value may be in another one
    while consumer.poll(0.2) is None:
        pass
    consumer.close()
    yield [expected("kafka.process", "-identified", "grouped")]
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": address, "group.id": f"{topic}-2", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([topic])
    while not consumer.consume(1, 0.2):
        pass
    yield [expected("kafka.receive", "-identified", "grouped")]
    consumer.close()


@case("messaging.kafka_python")
def by_kafka_python(_place: Place) -> Iterator[list[Expected]]:
    kafka_python_integration.instrument()
    _owner, address = kafka_broker.broker()
    topic = f"orders-{next(_topics)}"
    producer = KafkaProducer(bootstrap_servers=address, api_version=(2, 0), client_id="till")
    producer.send(topic, b"body", partition=0).get(20)
    yield [expected("kafka.send", "-identified", "client-named")]
    with raising(TypeError):
        producer.send(topic, b"body", headers="wrong")
    yield [expected("kafka.send", "-identified", "-partitioned", "client-named", "failed")]
    producer.close()
    consumer = kafka_broker.reader(address, topic)
    for _record in consumer:
        break
    consumer.close()
    yield [expected("kafka.process", "-identified", "client-named")]
    consumer = kafka_broker.reader(address, topic)
    while not consumer.poll(200):
        pass
    yield [expected("kafka.receive", "-identified", "client-named")]
    consumer.close()
