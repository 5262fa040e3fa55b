"""Which service a client span called, and which called services have no span in the trace."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from functools import lru_cache
from urllib.parse import urlsplit

from devenv.http.origin import split_endpoint
from devenv.immutable import immutable
from devenv.model.span import Span, SpanKind, Status, Value
from devenv.model.trace import Trace

CALLS = frozenset({SpanKind.CLIENT, SpanKind.PRODUCER})

_PEER_KEYS = ("peer.service", "server.address", "net.peer.name", "http.host")
_PORT_KEYS = ("server.port", "net.peer.port")
_URL_KEYS = ("url.full", "http.url")
_PATH_KEYS = ("url.path", "http.target")
_INFRASTRUCTURE_KEYS = ("db.system.name", "db.system", "messaging.system")
_RESPONSE_KEYS = ("http.response.status_code", "http.status_code", "rpc.response.status_code", "rpc.grpc.status_code")
_UNTRACED_PATH = re.compile(r"/(health\w*|\w*healthz|ready|readyz|readiness|live|livez|liveness|ping|metrics)/?$")
"""Paths that services commonly exclude from tracing: a call to one is not evidence that the service is silent."""


@immutable(kw_only=True)
class Callees:
    """The services of a stack that have spans if they are called, by the addresses in client spans.

    Attributes:
        hosts: service name of the spans by host name in lowercase.
        ports: the same by (host name, port), for hosts that several services share, such as 127.0.0.1.
    """

    hosts: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[tuple[str, int], str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.hosts or self.ports)

    @property
    def names(self) -> frozenset[str]:
        """The service names of all of them."""
        return frozenset({*self.hosts.values(), *self.ports.values()})

    def called_by(self, span: Span) -> str | None:
        """The service that a client span called; ``None`` if it is not one of these."""
        if span.kind not in CALLS:
            return None
        attributes = span.attributes
        for key in _PEER_KEYS:
            if (text := _text(attributes.get(key))) and (found := self.at(*_with_port(span, text))):
                return found
        for key in _URL_KEYS:
            if text := _text(attributes.get(key)):
                return self.at(*_host_and_port(text))
        return None

    def at(self, host: str, port: int | None) -> str | None:
        """The service at an address; ``None`` if it is not one of these."""
        host = host.lower().rstrip(".")
        if found := self.hosts.get(host):
            return found
        return self.ports.get((host, port)) if port is not None else None


NO_CALLEES = Callees()


def silent_services(trace: Trace, callees: Callees) -> tuple[str, ...]:
    """Services that the trace's calls reached but that have no span in it, in the order of the calls.

    A call is evidence only if it got a response and no other service's span is below it. Calls to databases and
    brokers are not, nor calls of paths that services usually exclude from tracing.
    """
    if not callees:
        return ()
    present = set(trace.services)
    calls = [
        (span, name) for span in trace.spans if (name := callees.called_by(span)) is not None and name not in present
    ]
    if not calls:
        return ()
    answered = answered_spans(trace.spans)
    return tuple(dict.fromkeys(name for span, name in calls if span.span_id not in answered and got_response(span)))


def called_address(span: Span) -> tuple[str, int | None]:
    """Host and port that a span's attributes name as called, the host in lowercase; it is empty if none does."""
    for key in _PEER_KEYS:
        if text := _text(span.attributes.get(key)):
            host, port = _with_port(span, text)
            return host.lower(), port
    for key in _URL_KEYS:
        if text := _text(span.attributes.get(key)):
            host, port = _host_and_port(text)
            return host.lower(), port
    return "", None


def callee(span: Span) -> str | None:
    """The host name that a client span called, without its domain; ``None`` if no attribute names it."""
    if span.kind not in CALLS:
        return None
    for key in _PEER_KEYS:
        if host := _text(span.attributes.get(key)):
            return host.partition(":")[0].partition(".")[0]
    for key in _URL_KEYS:
        if url := _text(span.attributes.get(key)):
            return _split(url)[0].partition(".")[0] or None
    return None


def answered_spans(spans: Sequence[Span]) -> set[str]:
    """IDs of the spans of one trace that have a span of another service below them; takes linear time."""
    by_id = {span.span_id: span for span in spans}
    found: set[str] = set()
    for span in spans:
        above = by_id.get(span.parent_id) if span.parent_id else None
        if above is None or above.service == span.service:
            continue
        caller = above.service
        while above is not None and above.service == caller and above.span_id not in found:
            found.add(above.span_id)
            above = by_id.get(above.parent_id) if above.parent_id else None
    return found


def got_response(span: Span) -> bool:
    """Whether a call reached a service that should have a span of it: not a database's, nor one to a health check."""
    attributes = span.attributes
    if any(attributes.get(key) for key in _INFRASTRUCTURE_KEYS):
        return False
    paths = [_text(attributes.get(key)).partition("?")[0] for key in _PATH_KEYS]
    paths += [urlsplit(text).path for key in _URL_KEYS if (text := _text(attributes.get(key)))]
    if any(_UNTRACED_PATH.search(path) for path in paths):
        return False
    return span.status is not Status.ERROR or any(attributes.get(key) is not None for key in _RESPONSE_KEYS)


def _with_port(span: Span, text: str) -> tuple[str, int | None]:
    """Host and port of a peer's attribute; the port may be in its own attribute."""
    host, port = _host_and_port(text)
    return host, port or next((n for key in _PORT_KEYS if (n := _number(span.attributes.get(key)))), None)


def _host_and_port(text: str) -> tuple[str, int | None]:
    """Host and port of ``api``, ``api:8080``, ``::1`` or a URL."""
    if text.count(":") > 1 and "/" not in text and "[" not in text:
        return text, None  # an IPv6 address
    return _split(text)


@lru_cache(4096)
def _split(text: str) -> tuple[str, int | None]:
    try:
        parts = split_endpoint(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "", None
    return host, port


def _text(value: Value) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Value) -> int | None:
    if isinstance(value, str) and value.isdigit():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
