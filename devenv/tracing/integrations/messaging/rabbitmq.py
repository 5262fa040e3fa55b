"""The names and attributes of RabbitMQ's messages, for each of its clients.

They follow the semantic conventions for RabbitMQ, which are in development
(https://opentelemetry.io/docs/specs/semconv/messaging/rabbitmq/, schema 1.44.0): the destination of a sent message is
`EXCHANGE:ROUTING_KEY`, that of a received one `EXCHANGE:ROUTING_KEY:QUEUE`, without the parts that are empty.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from devenv.tracing.integrations.messaging.message import Attributes

SYSTEM = "rabbitmq"
PUBLISH = "publish"

_DEFAULT_EXCHANGE = "amq.default"
_GENERATED = ("amq.gen-", "amq_")
"""How names begin that the broker or a client makes up, such as those of queues for replies."""


class Facts(NamedTuple):
    """What is known of a message; empty or None if it is not known."""

    exchange: str
    routing_key: str
    queue: str = ""
    message_id: Any = None
    correlation_id: Any = None
    delivery_tag: Any = None
    host: Any = None
    port: Any = None


def described(facts: Facts) -> tuple[str, Attributes]:
    """Return the name in the span, and the attributes; a name that is made up is in the attributes only."""
    parts = [facts.exchange, facts.routing_key]
    if facts.queue != facts.routing_key:
        parts.append(facts.queue)
    parts = [part for part in parts if part] or [_DEFAULT_EXCHANGE]
    anonymous = any(part.startswith(_GENERATED) for part in parts)
    name = ":".join(parts)
    found: Attributes = {"messaging.destination.name": name}
    if anonymous:
        found["messaging.destination.anonymous"] = True
    optional = {
        "messaging.rabbitmq.destination.routing_key": facts.routing_key,
        "messaging.message.id": facts.message_id,
        "messaging.message.conversation_id": facts.correlation_id,
        "messaging.rabbitmq.message.delivery_tag": facts.delivery_tag,
        "server.address": facts.host,
        "server.port": facts.port,
    }
    found.update({name: value for name, value in optional.items() if value})
    return "" if anonymous else name, found
