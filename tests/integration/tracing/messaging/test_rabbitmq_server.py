"""pika and aio-pika with a real RabbitMQ."""

from __future__ import annotations

import aio_pika
import pika
import pytest

from devenv import tracing
from devenv.tracing.integrations.messaging import aio_pika as aio_pika_integration
from devenv.tracing.integrations.messaging import pika as pika_integration


@pytest.fixture(autouse=True)
def _instrumented(patched):
    pika_integration.instrument()
    aio_pika_integration.instrument()


def test_pika(rec, rabbitmq):
    """A callback, a loop, and a message that is asked for."""
    got = []

    def received(channel, method, _properties, body):
        with tracing.span("inner"):
            got.append(body)
        channel.basic_ack(method.delivery_tag)
        channel.stop_consuming()

    connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", rabbitmq))
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare("pens", exclusive=True)
    channel.basic_consume("pens", received)
    with tracing.span("request"):
        channel.basic_publish("", "pens", b"1", pika.BasicProperties(message_id="m1", headers={"own": 1}))
    channel.start_consuming()
    with tracing.span("request"):
        for body in (b"2", b"3"):
            channel.basic_publish("", "pens", body)
    for _method, _properties, body in channel.consume("pens", auto_ack=True, inactivity_timeout=10):
        with tracing.span("inner"):
            got.append(body)
        if body == b"3":
            break
    channel.cancel()
    with tracing.span("request"):
        channel.basic_publish("", "pens", b"4")
    _method, properties, body = channel.basic_get("pens", auto_ack=True)
    with tracing.attached(properties.headers), tracing.span("inner"):
        got.append(body)
    assert channel.basic_get("pens") == (None, None, None)
    connection.close()
    assert got == [b"1", b"2", b"3", b"4"]
    assert tracing.current_ids() == ("", "")
    sent, processed, inner = (rec.spans(name) for name in ("publish pens", "process pens", "inner"))
    assert [span.parent_id for span in processed] == [span.span_id for span in sent[:3]]
    assert [span.parent_id for span in inner] == [*(span.span_id for span in processed), sent[3].span_id]
    received = rec.span("receive pens")
    assert (received.kind, received.parent_id) == ("client", "")
    assert received.links == ((sent[3].trace_id, sent[3].span_id),)
    assert received.attributes["messaging.operation.type"] == "receive"
    assert "messaging.batch.message_count" not in received.attributes
    assert {span.attributes["server.port"] for span in (*sent, *processed, received)} == {rabbitmq}
    assert len(rec.spans()) == 3 + 4 + 3 + 4 + 1


async def test_aio_pika(rec, rabbitmq):
    """A callback, and a message of an iterator."""
    got = []
    connection = await aio_pika.connect(f"amqp://guest:guest@127.0.0.1:{rabbitmq}/")
    async with connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("inks", exclusive=True)
        for number in range(2):
            with tracing.span("request"):
                await channel.default_exchange.publish(aio_pika.Message(str(number).encode()), "inks")
        async with queue.iterator() as messages:
            async for message in messages:
                async with message.process():
                    with tracing.span("inner"):
                        got.append(message.body)
                if len(got) == 2:
                    break
    assert got == [b"0", b"1"]
    sent, processed, inner = (rec.spans(name) for name in ("publish inks", "process inks", "inner"))
    assert [span.parent_id for span in processed] == [span.span_id for span in sent]
    assert [span.parent_id for span in inner] == [span.span_id for span in processed]
