"""Which headers pass through a proxy."""

from __future__ import annotations

from collections.abc import Iterable

from multidict import CIMultiDict

# RFC 9110, section 7.6.1, and similar headers of browsers and old proxies.
HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# Set by the gateway itself: the context by injection, the rest from the connection.
_REQUEST_OWN = frozenset(
    {
        "host",
        "expect",
        "traceparent",
        "tracestate",
        "baggage",
        "x-request-id",
        "x-account-id",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
    }
)
_RESPONSE_OWN = frozenset({"date", "server", "traceresponse", "x-request-id"})
CREDENTIALS = ("authorization", "x-api-key", "cookie")

RawHeaders = Iterable[tuple[bytes, bytes]]


def request_headers(raw: RawHeaders) -> CIMultiDict[str]:
    """Return the request headers that are passed on to the upstream, in order and with repetitions."""
    return CIMultiDict(
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in _end_to_end(raw, _REQUEST_OWN)
    )


def response_headers(raw: RawHeaders) -> list[tuple[bytes, bytes]]:
    """Return the upstream's response headers for the caller; names in lowercase, as ASGI requires."""
    return list(_end_to_end(raw, _RESPONSE_OWN))


def _end_to_end(raw: RawHeaders, own: frozenset[str]) -> Iterable[tuple[bytes, bytes]]:
    lowered = [(name.lower(), value) for name, value in raw]
    dropped = HOP_BY_HOP | own | _named_by_connection(lowered)
    return [(name, value) for name, value in lowered if name.decode("latin-1") not in dropped]


def _named_by_connection(raw: RawHeaders) -> frozenset[str]:
    named = [value.decode("latin-1").lower().split(",") for name, value in raw if name == b"connection"]
    return frozenset(token.strip() for tokens in named for token in tokens)
