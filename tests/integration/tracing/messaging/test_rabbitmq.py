"""pika and aio-pika with their real libraries: what a channel sends is encoded, decoded and delivered to a consumer."""

from __future__ import annotations

import asyncio

import aio_pika
import pika
import pytest
from aio_pika.queue import QueueIterator
from pika.adapters.blocking_connection import BlockingChannel
from pika.channel import Channel
from servers.amqp import Broker, deliver, exchange, open_channel, queue

from devenv import tracing
from devenv.tracing.integrations.messaging import aio_pika as aio_pika_integration
from devenv.tracing.integrations.messaging import pika as pika_integration
from devenv.tracing.integrations.messaging.rabbitmq import Facts, described
from devenv.tracing.testing import recording


@pytest.fixture(autouse=True)
def _instrumented(patched):
    pika_integration.instrument()
    aio_pika_integration.instrument()


SENT = {
    "messaging.system": "rabbitmq",
    "messaging.operation.name": "publish",
    "messaging.operation.type": "send",
    "messaging.destination.name": "shop:paid",
    "messaging.rabbitmq.destination.routing_key": "paid",
    "messaging.message.id": "m1",
}
PROCESSED = {
    **SENT,
    "messaging.operation.name": "process",
    "messaging.operation.type": "process",
    "messaging.destination.name": "shop:paid:orders",
    "messaging.rabbitmq.message.delivery_tag": 7,
}


def check(rec, **more):
    request, sent, processed, inner = (
        rec.span(name) for name in ("request", "publish shop:paid", "process shop:paid:orders", "inner")
    )
    assert [span.parent_id for span in (sent, processed, inner)] == [
        request.span_id,
        sent.span_id,
        processed.span_id,
    ]
    assert (sent.kind, processed.kind) == ("producer", "consumer")
    assert sent.attributes == {**SENT, **more}
    assert processed.attributes == {**PROCESSED, **more}


@pytest.fixture
def channel():
    return open_channel()


@pytest.fixture
def blocking(channel, monkeypatch):
    monkeypatch.setattr(BlockingChannel, "_flush_output", lambda *_: None)
    return BlockingChannel(channel, channel.connection)


def received(_channel, _method, _properties, body):
    with tracing.span("inner"):
        assert body == b"body"


def test_pika(rec, channel):
    properties = pika.BasicProperties(message_id="m1")
    tag = channel.basic_consume("orders", received)
    with tracing.span("request"):
        channel.basic_publish("shop", "paid", b"body", properties)
    deliver(channel, tag)
    check(rec, **{"server.address": "broker", "server.port": 5672})
    assert properties.headers is None


def test_pika_with_a_blocking_channel(rec, blocking, channel):
    tag = blocking.basic_consume(queue="orders", on_message_callback=received)
    with tracing.span("request"):
        properties = pika.BasicProperties(message_id="m1")
        blocking.basic_publish(exchange="shop", routing_key="paid", body="body", properties=properties)
    deliver(channel, tag)
    blocking._dispatch_events()
    check(rec, **{"server.address": "broker", "server.port": 5672})


def test_pika_without_properties_and_with_a_failing_callback(rec, channel):
    def failing(*_arguments):
        raise ValueError("own")

    tag = channel.basic_consume("orders", failing)
    channel.basic_publish("", "orders", b"body")
    with pytest.raises(ValueError, match="own"):
        deliver(channel, tag)
    sent, processed = rec.spans()
    assert (sent.name, processed.name, processed.status) == ("publish orders", "process orders", "error")
    assert processed.parent_id == sent.span_id


def test_pika_with_a_message_that_cannot_be_sent(rec, channel):
    channel._set_state(Channel.CLOSED)
    with pytest.raises(pika.exceptions.ChannelWrongStateError):
        channel.basic_publish("shop", "paid", b"body")
    assert rec.span("publish shop:paid").status == "error"


def test_pika_keeps_the_programs_headers(rec, channel):
    given = {"own": 1}
    with tracing.span("request"):
        channel.basic_publish("shop", "paid", b"body", pika.BasicProperties(headers=given))
    ((_method, properties, _body),) = channel.connection.sent
    assert (given, properties.headers["own"], sorted(properties.headers)) == ({"own": 1}, 1, ["own", "traceparent"])


def test_no_header_is_sent_if_tracing_is_off(channel):
    with recording({"enabled": False}):
        channel.basic_publish("shop", "paid", b"body")
    ((_method, properties, _body),) = channel.connection.sent
    assert not properties.headers


@pytest.fixture
def broker():
    return Broker()


def message():
    return aio_pika.Message(b"body", message_id="m1", headers={"own": 1})


async def test_aio_pika(rec, broker):
    async def on_message(found):
        async with found.process():
            with tracing.span("inner"):
                assert found.headers["own"] == 1

    await queue(broker).consume(on_message)
    sent = message()
    with tracing.span("request"):
        await exchange(broker).publish(sent, "paid")
    check(rec)
    assert sent.headers == {"own": 1}


async def test_aio_pika_with_an_iterator(rec, broker):
    iterator = QueueIterator(queue(broker))
    await iterator.consume()
    with tracing.span("request"):
        await exchange(broker).publish(message(), "paid")
    found = await iterator.__anext__()
    with pytest.raises(ValueError, match="own"):
        async with found.process():
            raise ValueError("own")
    processed = rec.span("process shop:paid")
    assert (processed.parent_id, processed.status) == (rec.span("publish shop:paid").span_id, "error")
    assert tracing.current_ids() == ("", "")


async def test_aio_pika_with_two_messages_at_once(rec, broker):
    async def on_message(_message):
        await asyncio.sleep(0)
        with tracing.span("inner"):
            await asyncio.sleep(0)

    await queue(broker).consume(on_message)
    await asyncio.gather(*(exchange(broker).publish(message(), "paid") for _ in range(2)))
    processed = {span.span_id for span in rec.spans("process shop:paid:orders")}
    assert {span.parent_id for span in rec.spans("inner")} == processed
    assert len(processed) == 2


async def test_aio_pika_with_a_broker_that_does_not_confirm(rec, broker):
    broker.confirming = False
    with pytest.raises(aio_pika.exceptions.DeliveryError):
        await exchange(broker).publish(message(), "paid")
    span = rec.span("publish shop:paid")
    assert (span.status, span.attributes["error.type"]) == ("error", "aiormq.exceptions.DeliveryError")


@pytest.mark.parametrize(
    ("facts", "name", "destination"),
    [
        (Facts("", ""), "amq.default", "amq.default"),
        (Facts("shop", ""), "shop", "shop"),
        (Facts("", "orders", "orders"), "orders", "orders"),
        (Facts("", "amq.gen-1a", "amq.gen-1a"), "", "amq.gen-1a"),
    ],
)
def test_the_name_of_a_destination(facts, name, destination):
    shown, attributes = described(facts)
    assert (shown, attributes["messaging.destination.name"]) == (name, destination)
    assert attributes.get("messaging.destination.anonymous", False) is (name == "")


def test_other_formats_of_the_context(channel):
    with recording(environ={"OTEL_PROPAGATORS": "b3"}) as rec:
        tag = channel.basic_consume("orders", received)
        channel.basic_publish("shop", "paid", b"body")
        assert list(channel.connection.sent[0][1].headers) == ["b3"]
        deliver(channel, tag)
        assert rec.span("process shop:paid:orders").parent_id == rec.span("publish shop:paid").span_id
