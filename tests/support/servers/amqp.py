"""What is below a channel of pika and of aio-pika: messages are encoded, decoded and delivered, without a broker."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import aio_pika
import aiormq
import pamqp.header
from aio_pika.exchange import Exchange
from aio_pika.queue import Queue
from pamqp.commands import Basic
from pika import frame, spec
from pika.callback import CallbackManager
from pika.channel import Channel


class Wire:
    """A connection of pika that keeps what is sent."""

    def __init__(self):
        self.callbacks = CallbackManager()
        self.params = SimpleNamespace(host="broker", port=5672)
        self.sent = []

    def _send_method(self, _number, method, content=None):
        if content is not None:
            properties, body = content
            wire = b"".join(properties.encode())
            decoded = spec.BasicProperties()
            decoded.decode(wire)
            self.sent.append((method, decoded, body))

    def _request_channel_dispatch(self, _number):
        pass


def open_channel():
    """A channel of pika."""
    made = Channel(Wire(), 1, lambda _channel: None)
    made._set_state(Channel.OPEN)
    return made


def deliver(channel, queue_tag):
    method, properties, body = channel.connection.sent.pop(0)
    delivery = spec.Basic.Deliver(queue_tag, 7, False, method.exchange, method.routing_key)
    channel._on_deliver(frame.Method(1, delivery), frame.Header(1, len(body), properties), body)


class Broker:
    """The channel below aio-pika's, which delivers what is published."""

    is_closed = False

    def __init__(self):
        self.consumers = []
        self.confirming = True

    def closed(self):
        return asyncio.get_running_loop().create_future()

    async def get_underlay_channel(self):
        return self

    async def basic_publish(self, exchange, routing_key, body, properties, **_options):
        if not self.confirming:
            raise aio_pika.exceptions.DeliveryError(None, None)
        decoded = pamqp.header.ContentHeader()
        decoded.unmarshal(pamqp.header.ContentHeader(0, len(body), properties).marshal())
        delivery = Basic.Deliver("tag", 7, False, exchange, routing_key)
        for consumer in self.consumers:
            await consumer(aiormq.abc.DeliveredMessage(delivery, decoded, body, self))

    async def basic_consume(self, queue, consumer_callback, **_options):
        self.consumers.append(consumer_callback)
        return Basic.ConsumeOk("tag")

    async def basic_ack(self, *_arguments, **_options):
        pass

    async def basic_reject(self, *_arguments, **_options):
        pass


def exchange(broker):
    return Exchange(broker, "shop")


def queue(broker):
    return Queue(broker, "orders", durable=False, exclusive=False, auto_delete=False, arguments=None)
