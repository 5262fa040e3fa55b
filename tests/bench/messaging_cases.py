"""The clients of message brokers and the task queues of `integrations.py`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from integration_cases import Run, case, event_loop, repeat, repeat_async


def _disconnect() -> None:
    from devenv.tracing.integrations.messaging import celery

    celery.uninstrument()


@case("celery send", "messaging.celery", undo=_disconnect)
def celery_sends() -> Iterator[Run]:
    app, task = _celery()

    def send(calls: int) -> None:
        for _ in range(calls):
            task.apply_async((1,))
        app.control.purge()

    yield send
    app.close()


@case("celery process", "messaging.celery", below=False, undo=_disconnect)
def celery_executes() -> Iterator[Run]:
    app, task = _celery()
    yield repeat(lambda: task.apply((1,)))
    app.close()


def _celery() -> tuple[Any, Any]:
    import celery

    app = celery.Celery("bench", broker="memory://", set_as_current=False)

    @app.task(name="double", shared=False, ignore_result=True)
    def double(number: int) -> int:
        return 2 * number

    return app, double


@case("rq process", "messaging.rq", below=False)
def rq_jobs() -> Iterator[Run]:
    import redis
    import rq

    queue = rq.Queue("bench", connection=redis.Redis(port=1))
    job = queue.create_job(divmod, args=(7, 2))
    yield repeat(job.perform)


@case("pika", "messaging.pika", spans=2)
def pika_messages() -> Iterator[Run]:
    from servers.amqp import deliver, open_channel

    channel = open_channel()
    tag = channel.basic_consume("orders", lambda *_: None)

    def send_and_receive() -> None:
        channel.basic_publish("shop", "paid", b"body")
        deliver(channel, tag)

    yield repeat(send_and_receive)


@case("aio-pika", "messaging.aio_pika", spans=2)
def aio_pika_messages() -> Iterator[Run]:
    import aio_pika
    from servers.amqp import Broker, exchange, queue

    async def received(_message: Any) -> None:
        return None

    async def begin() -> Any:
        broker = Broker()
        await queue(broker).consume(received)
        return exchange(broker)

    with event_loop() as loop:
        shop = loop.run_until_complete(begin())
        yield repeat_async(loop, lambda: shop.publish(aio_pika.Message(b"body"), "paid"))


class _Kept:
    """A producer and consumer that keeps what is sent, below the classes of Kafka's libraries."""

    config: Mapping[str, Any] = {}

    def __init__(self) -> None:
        self.kept: Any = None

    def send(self, topic: str, value: Any = None, key: Any = None, headers: Any = None, **_others: Any) -> None:
        self.kept = SimpleNamespace(topic=topic, value=value, key=key, headers=headers or (), partition=0, offset=0)

    def produce(self, topic: str, value: Any = None, headers: Any = None) -> None:
        found = {"topic": topic, "value": value, "headers": headers, "error": None, "partition": 0, "offset": 0}
        self.kept = SimpleNamespace(**{name: lambda kept=kept: kept for name, kept in found.items()})

    def poll(self, _timeout: float) -> Any:
        found, self.kept = self.kept, None
        return found

    consume = close = poll

    def __iter__(self) -> Iterator[Any]:
        return iter((self.kept,))


@case("kafka-python", "messaging.kafka_python", spans=2)
def kafka_python_records() -> Iterator[Run]:
    from kafka.consumer.group import KafkaConsumer
    from kafka.producer.kafka import KafkaProducer

    from devenv.tracing.integrations.messaging import kafka_python as integration

    traced = hasattr(KafkaProducer.send, "__wrapped__") and hasattr(KafkaConsumer.__iter__, "__wrapped__")
    kept = _Kept()
    send = integration._sending_record(_Kept.send) if traced else _Kept.send
    iterate = integration._iterating(_Kept.__iter__) if traced else _Kept.__iter__

    def send_and_receive() -> None:
        send(kept, "orders", b"body")
        for _ in iterate(kept):
            pass

    yield repeat(send_and_receive)


@case("confluent-kafka", "messaging.confluent_kafka", spans=2)
def confluent_kafka_records() -> Iterator[Run]:
    import confluent_kafka

    from devenv.tracing.integrations.messaging import confluent_kafka as integration

    traced = hasattr(confluent_kafka.Consumer.poll, "__wrapped__")
    made = _Kept
    if traced:
        made = type("Traced", (integration._traced_producer(_Kept), integration._traced_consumer(_Kept)), {})
    kept = made()

    def send_and_receive() -> None:
        kept.produce("orders", b"body")
        kept.poll(0)
        kept.poll(0)

    yield repeat(send_and_receive)
