"""What a span called that is not a service with spans: a database, a broker, or an external system."""

from __future__ import annotations

from typing import Literal

from devenv.analysis.callees import NO_CALLEES, Callees, called_address
from devenv.immutable import immutable
from devenv.model.span import Span, SpanKind

PeerKind = Literal["service", "database", "messaging", "external"]

_DATABASE_KEYS = ("db.system.name", "db.system")
_MESSAGING_KEY = "messaging.system"
_LOOPBACK = ("localhost", "::1", "0.0.0.0")  # noqa: S104 - compared, not bound
_CALLS = frozenset({SpanKind.CLIENT, SpanKind.PRODUCER})
_MESSAGES = frozenset({SpanKind.PRODUCER, SpanKind.CONSUMER})


@immutable()
class CalledPeer:
    """What was called: a node of the service map.

    Attributes:
        in_process: a database in the caller's own process, which no stack can declare.
    """

    name: str
    kind: PeerKind
    in_process: bool = False


def peer_of(span: Span, callees: Callees = NO_CALLEES) -> CalledPeer | None:
    """What a span called or received a message from; ``None`` if its attributes do not name it.

    A database is named by the service of the stack that it is, else by its host, else by its system: a loopback
    address names nothing. A database in the process, such as SQLite, has no address.

    Args:
        span: a span of any kind; one of a database call may be internal.
        callees: the services of the stack by their addresses, databases and brokers included.
    """
    attributes = span.attributes
    kind: PeerKind = "external"
    system = ""
    if span.kind is not SpanKind.SERVER:
        system = next((text for key in _DATABASE_KEYS if isinstance(text := attributes.get(key), str) and text), "")
        if system:
            kind = "database"
    if not system and (span.kind in _MESSAGES or span.kind is SpanKind.CLIENT):
        found = attributes.get(_MESSAGING_KEY)
        if isinstance(found, str) and found:
            system, kind = found, "messaging"
    if not system and span.kind not in _CALLS:
        return None
    host, port = called_address(span)
    name = callees.at(host, port) if host else None
    if name is not None:
        return CalledPeer(name, kind if system else "service")
    if host and not is_loopback(host):
        return CalledPeer(host, kind)
    if system:
        return CalledPeer(system, kind, in_process=kind == "database" and not host)
    return CalledPeer(f"{host}:{port}" if port else host, kind) if host else None


def is_loopback(host: str) -> bool:
    """Whether a host name or address is that of every machine itself."""
    return host in _LOOPBACK or host.startswith("127.")
