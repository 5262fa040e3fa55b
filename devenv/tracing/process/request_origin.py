"""What a request says of its way: the host that the client asked, the scheme, and the client behind proxies.

By the HTTP conventions (https://opentelemetry.io/docs/specs/semconv/http/http-spans/), "Setting `server.address` and
`server.port` attributes" and the notes of `client.address` and `url.scheme`: the fields of a reverse proxy come first
(`Forwarded`, RFC 7239, then `X-Forwarded-*`), then `Host`, into which servers put HTTP/2's `:authority`, then what the
server knows of the connection. Any client can send these fields; `network.peer.address` is what it cannot invent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

PROXY_FIELDS = frozenset({b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto"})
"""The fields that proxies add, with lowercase names."""
PROXY_NAMES = tuple(sorted(name.decode() for name in PROXY_FIELDS))
"""The same as text."""

_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_PAIR = re.compile(r"""([A-Za-z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]+))""")
_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([\w.~%-]+))(?::(\d{1,5}))?", re.ASCII)
_NODE = re.compile(r"\[([0-9A-Fa-f:.%]+)\](?::\w+)?|([0-9A-Fa-f]*:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*)|([\w.-]+)(?::\w+)?")
_LONGEST_HOST = 255
_LONGEST_NODE = 64


class Origin(NamedTuple):
    """Where a request came from and what it asked for.

    Attributes:
        scheme: `url.scheme`.
        address: `server.address`, empty if it is not known.
        port: `server.port`, 0 if it is not known.
        client: `client.address`, empty if it is not known.
        peer: `network.peer.address`, empty if the server has replaced it by the client's.
    """

    scheme: str
    address: str
    port: int
    client: str
    peer: str


def origin_of(
    scheme: str,
    host: str,
    server: tuple[Any, Any],
    peer: str,
    proxy: Mapping[str, str] | None = None,
) -> Origin:
    """Return the origin of a request.

    Args:
        scheme: The scheme that the server knows.
        host: The field `Host`, empty without one.
        server: The server's address and port, for requests without any host.
        peer: The address of the client as the application sees it.
        proxy: The fields of `PROXY_FIELDS`, each joined by commas; None without any.
    """
    if not proxy:
        return _direct(scheme, host, peer) or Origin(scheme, server[0] or "", server[1] or 0, peer, peer)
    client = peer
    forwarded = _forwarded(proxy.get("forwarded", ""))
    said = (forwarded.get("proto") or _first(proxy.get("x-forwarded-proto", ""))).lower()
    if said in _PORTS:
        scheme = said.replace("http", "ws") if scheme.startswith("ws") else said
    asked = forwarded.get("host") or _first(proxy.get("x-forwarded-host", ""))
    if asked and _authority(asked) is not None:
        host = asked
    clients = _clients(proxy)
    if peer and peer in clients:
        peer = ""  # the server trusts its proxy, and has put the client in the place of the peer
    elif clients:
        client = clients[0]
    found = _authority(host) if host else None
    if found is None:
        return Origin(scheme, server[0] or "", server[1] or 0, client, peer)
    return Origin(scheme, found[0], found[1] or _PORTS.get(scheme, 0), client, peer)


def proxy_fields(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return the fields of `PROXY_FIELDS` among an ASGI scope's headers; those of one name are joined by commas."""
    found: dict[str, str] = {}
    for name, value in headers:
        if name in PROXY_FIELDS:
            key, text = name.decode("latin-1"), value.decode("latin-1")
            found[key] = f"{found[key]}, {text}" if key in found else text
    return found


@lru_cache(maxsize=1024)
def _direct(scheme: str, host: str, peer: str) -> Origin | None:
    """Return the origin of requests that no proxy has passed on, of which a server has few; None without a host."""
    found = _authority(host) if host else None
    return None if found is None else Origin(scheme, found[0], found[1] or _PORTS.get(scheme, 0), peer, peer)


@lru_cache(maxsize=256)
def _authority(text: str) -> tuple[str, int] | None:
    """Return the host, without brackets, and the port, 0 for none; None for any other text."""
    found = _HOST.fullmatch(text.strip()) if len(text) <= _LONGEST_HOST else None
    if found is None:
        return None
    port = int(found[3] or 0)
    return (found[1] or found[2], port) if port <= 0xFFFF else None


def _forwarded(text: str) -> dict[str, str]:
    """Return the first value of each parameter of `Forwarded`: that of the proxy nearest to the client."""
    found: dict[str, str] = {}
    for name, quoted, token in _PAIR.findall(text):
        found.setdefault(name.lower(), quoted or token)
    return found


def _clients(proxy: Mapping[str, str]) -> list[str]:
    """Return the addresses that the proxies name, the client's first; hidden and unknown ones are left out."""
    given = [
        quoted or token for name, quoted, token in _PAIR.findall(proxy.get("forwarded", "")) if name.lower() == "for"
    ]
    nodes = given or proxy.get("x-forwarded-for", "").split(",")
    found = []
    for node in nodes:
        match = _NODE.fullmatch(node.strip()) if len(node) <= _LONGEST_NODE else None
        address = (match[1] or match[2] or match[3]) if match is not None else ""
        if address and address.lower() != "unknown" and not address.startswith("_"):
            found.append(address)
    return found


def _first(text: str) -> str:
    return text.partition(",")[0].strip()
