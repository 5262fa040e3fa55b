"""`server.address`, `server.port`, `url.scheme` and `client.address`, as the HTTP conventions have them."""

from __future__ import annotations

import pytest

from devenv import tracing
from devenv.tracing.process.request_origin import Origin, origin_of
from devenv.tracing.testing import recording

SERVER = ("10.0.0.9", 8080)


@pytest.mark.parametrize(
    ("host", "proxy", "scheme", "address", "port"),
    [
        ("", {}, "http", "10.0.0.9", 8080),
        ("shop.test", {}, "http", "shop.test", 80),
        ("shop.test:8443", {}, "http", "shop.test", 8443),
        ("[::1]:81", {}, "http", "::1", 81),
        ("[::1]", {}, "http", "::1", 80),
        ("a b", {}, "http", "10.0.0.9", 8080),
        ("shop.test:99999", {}, "http", "10.0.0.9", 8080),
        ("x" * 300, {}, "http", "10.0.0.9", 8080),
        ("inner:1", {"x-forwarded-host": "outer.test, mid.test"}, "http", "outer.test", 80),
        ("inner:1", {"x-forwarded-host": "outer.test:444", "x-forwarded-proto": "https"}, "https", "outer.test", 444),
        ("inner:1", {"x-forwarded-host": "outer.test", "x-forwarded-proto": "HTTPS,http"}, "https", "outer.test", 443),
        ("inner:1", {"x-forwarded-host": "<script>", "x-forwarded-proto": "gopher"}, "http", "inner", 1),
        ("inner:1", {"forwarded": 'for=192.0.2.1;host="[2001:db8::1]:8";proto=https'}, "https", "2001:db8::1", 8),
        ("inner:1", {"forwarded": "Host=a.test;Proto=HTTP,host=c", "x-forwarded-host": "b.test"}, "http", "a.test", 80),
        ("inner:1", {"forwarded": 'by="x;host=evil.test";host=a.test'}, "http", "a.test", 80),
        ("inner:1", {"forwarded": 'host="'}, "http", "inner", 1),
    ],
)  # fmt: skip
def test_host_and_scheme(host, proxy, scheme, address, port):
    assert origin_of("http", host, SERVER, "", proxy)[:3] == (scheme, address, port)


@pytest.mark.parametrize(
    ("proxy", "client", "peer"),
    [
        ({}, "10.0.0.1", "10.0.0.1"),
        ({"x-forwarded-for": "203.0.113.7, 10.0.0.5"}, "203.0.113.7", "10.0.0.1"),
        ({"x-forwarded-for": "203.0.113.7:4711"}, "203.0.113.7", "10.0.0.1"),
        ({"x-forwarded-for": "2001:db8::7, 10.0.0.5"}, "2001:db8::7", "10.0.0.1"),
        ({"x-forwarded-for": "[2001:db8::7]:1"}, "2001:db8::7", "10.0.0.1"),
        ({"x-forwarded-for": "unknown, 203.0.113.8"}, "203.0.113.8", "10.0.0.1"),
        ({"x-forwarded-for": "<x>,"}, "10.0.0.1", "10.0.0.1"),
        ({"forwarded": 'for="[2001:db8::7]:1";proto=https, for=10.0.0.5'}, "2001:db8::7", "10.0.0.1"),
        ({"forwarded": "for=_hidden"}, "10.0.0.1", "10.0.0.1"),
        # The server has put the client, which a trusted proxy names, in the place of the peer.
        ({"x-forwarded-for": "6.6.6.6, 10.0.0.1"}, "10.0.0.1", ""),
    ],
)
def test_client(proxy, client, peer):
    assert origin_of("http", "", SERVER, "10.0.0.1", proxy)[3:] == (client, peer)


def test_a_websocket_keeps_its_scheme():
    assert origin_of("ws", "a", SERVER, "", {"x-forwarded-proto": "https"}) == Origin("wss", "a", 443, "", "")


HEADERS = {"host": "inner:8080", "x-forwarded-for": "203.0.113.7, 10.0.0.5", "x-forwarded-proto": "https",
           "x-forwarded-host": "shop.test"}  # fmt: skip
SEEN = {"server.address": "shop.test", "server.port": 443, "url.scheme": "https", "client.address": "203.0.113.7",
        "network.peer.address": "10.0.0.1", "network.peer.port": 4000}  # fmt: skip


def shown(rec):
    (span,) = rec.spans()
    return {key: span.attributes.get(key) for key in SEEN}


@pytest.mark.parametrize("provider", ["light", "sdk"])
def test_behind_a_proxy(provider):
    import asyncio

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def nothing(*_):
        return None

    fields = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
    fields[1:2] = [(b"x-forwarded-for", b"203.0.113.7"), (b"x-forwarded-for", b"10.0.0.5")]
    scope = {"type": "http", "method": "GET", "path": "/", "headers": fields, "client": ("10.0.0.1", 4000)}
    with recording({"provider": provider}) as rec:
        asyncio.run(tracing.TracingMiddleware(app)(scope, nothing, nothing))
        assert shown(rec) == SEEN
        rec.clear()
        environ = {"HTTP_" + name.upper().replace("-", "_"): value for name, value in HEADERS.items()}
        given = {"PATH_INFO": "/", "REMOTE_ADDR": "10.0.0.1", "REMOTE_PORT": "4000", **environ}
        list(tracing.WSGIMiddleware(lambda environ, start: [b""])(given, lambda *given: None))
        assert shown(rec) == SEEN
