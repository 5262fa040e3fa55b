"""Tornado's server and client on a loopback port."""

from __future__ import annotations

import asyncio

import pytest
import tornado.httpclient
import tornado.httpserver
import tornado.netutil
import tornado.routing
import tornado.web
import tornado.websocket
import tornado.wsgi

from devenv import tracing
from devenv.tracing.integrations.web import tornado_client, tornado_server
from devenv.tracing.testing import assert_trace

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


class Items(tornado.web.RequestHandler):
    async def get(self, number):
        with tracing.span("business"):
            self.write(number)

    def post(self, number):
        raise tornado.web.HTTPError(503)

    def put(self, number):
        raise ValueError("own")

    def delete(self, number):
        raise tornado.web.Finish


class Seen(tornado.web.RequestHandler):
    def get(self):
        self.write(self.request.headers.get("traceparent", "none"))


class Echo(tornado.websocket.WebSocketHandler):
    def on_message(self, message):
        with tracing.span("message"):
            self.write_message(message)


def plain_wsgi(environ, start_response):
    start_response("200 OK", [])
    return [b"wsgi"]


@pytest.fixture
async def url(rec, patched):
    tornado_server.instrument()
    tornado_client.instrument()
    inner = tornado.web.Application([("/below/(?P<number>.*)", Items)])
    app = tornado.web.Application(
        [
            ("/items/([0-9]+)", Items),
            ("/seen", Seen),
            ("/echo", Echo),
            ("/moved", tornado.web.RedirectHandler, {"url": "/seen", "permanent": False}),
            ("/wsgi", tornado.web.FallbackHandler, {"fallback": tornado.wsgi.WSGIContainer(plain_wsgi)}),
            tornado.routing.Rule(tornado.routing.PathMatches("/below/.*"), inner),
        ]
    )
    server = app.listen(0, "127.0.0.1")
    port = next(iter(server._sockets.values())).getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.stop()
    await server.close_all_connections()


def servers(rec):
    return [span for span in rec.spans() if span.kind == "server"]


async def test_each_request_has_a_span_with_its_route_status_and_exception(rec, url):
    client = tornado.httpclient.AsyncHTTPClient()
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    statuses = []
    with tracing.span("caller"):
        for method, path in (
            *(("GET", "/items/4?token=x"), ("POST", "/items/4"), ("PUT", "/items/4"), ("DELETE", "/items/4")),
            *(("GET", "/nowhere"), ("GET", "/below/x"), ("GET", "/wsgi")),
        ):
            body = b"" if method in {"POST", "PUT"} else None
            response = await client.fetch(url + path, method=method, body=body, headers=headers, raise_error=False)
            statuses.append(response.code)
    assert statuses == [200, 503, 500, 200, 404, 200, 200]
    found = servers(rec)
    route = "/items/([0-9]+)"
    assert [span.name for span in found] == [
        *(f"GET {route}", f"POST {route}", f"PUT {route}", f"DELETE {route}", "GET", "GET /below/(?P<number>.*)")
    ]
    calls = {span.span_id: span for span in rec.spans() if span.kind == "client"}
    assert all(span.parent_id in calls for span in found)
    first = found[0]
    assert (first.attributes["url.path"], first.attributes["url.query"]) == ("/items/4", "token=[REDACTED]")
    assert (first.attributes["http.route"], first.attributes["http.response.status_code"]) == (route, 200)
    assert rec.spans("business")[0].parent_id == first.span_id
    assert (found[1].attributes["error.type"], found[1].events) == ("503", ())
    assert found[2].attributes["error.type"] == "ValueError"
    assert [name for name, _ in found[2].events] == ["exception"]
    assert (found[3].status, found[3].events) == (found[0].status, ())


PROXIED = {
    "Host": "inside:81",
    "X-Forwarded-For": "203.0.113.9, 10.0.0.2",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "shop.test",
}
FORWARDED = {"Host": "inside:81", "Forwarded": "for=203.0.113.9;host=shop.test;proto=https, for=10.0.0.2"}


async def ask(port, headers, *, version="1.1"):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"GET /seen HTTP/{version}\r\n{fields}Connection: close\r\n\r\n".encode())
    assert b" 200 " in await reader.readline()
    mine = writer.get_extra_info("sockname")
    writer.close()
    return mine


@pytest.mark.parametrize("trusts", [False, True])
@pytest.mark.parametrize("headers", [PROXIED, FORWARDED])
async def test_behind_a_proxy_the_client_the_host_and_the_scheme_are_those_that_it_names(rec, patched, headers, trusts):
    tornado_server.instrument()
    server = tornado.httpserver.HTTPServer(
        tornado.web.Application([("/seen", Seen)]), xheaders=trusts, trusted_downstream=["10.0.0.2"]
    )
    (listening,) = tornado.netutil.bind_sockets(0, "127.0.0.1")
    server.add_socket(listening)
    peer = await ask(listening.getsockname()[1], headers)
    server.stop()
    await server.close_all_connections()
    (span,) = servers(rec)
    found = span.attributes
    assert (found["client.address"], found["url.scheme"]) == ("203.0.113.9", "https")
    assert (found["server.address"], found["server.port"]) == ("shop.test", 443)
    assert (found["network.peer.address"], found["network.peer.port"]) == peer


async def test_without_a_proxy_and_a_host(rec, url):
    peer = await ask(int(url.rpartition(":")[2]), {}, version="1.0")
    (span,) = servers(rec)
    assert (span.attributes["client.address"], span.attributes["network.protocol.version"]) == (peer[0], "1.0")
    assert (span.attributes["network.peer.address"], span.attributes["network.peer.port"]) == peer
    assert "server.address" not in span.attributes


async def test_the_client_of_a_unix_socket_has_no_address(rec, patched, tmp_path):
    tornado_server.instrument()
    server = tornado.httpserver.HTTPServer(tornado.web.Application([("/seen", Seen)]))
    server.add_socket(tornado.netutil.bind_unix_socket(str(tmp_path / "s")))
    reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
    writer.write(b"GET /seen HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n")
    assert b" 200 " in await reader.readline()
    writer.close()
    server.stop()
    (span,) = servers(rec)
    assert {"client.address", "network.peer.address", "network.peer.port"}.isdisjoint(span.attributes)


async def test_a_call_sends_the_context_and_gives_the_request_its_headers_back(rec, url):
    client = tornado.httpclient.AsyncHTTPClient()
    request = tornado.httpclient.HTTPRequest(f"{url}/moved", headers={"x": "y"})
    with tracing.span("caller"):
        response = await client.fetch(request)
    (call,) = [span for span in rec.spans() if span.kind == "client"]
    assert response.body.decode() == f"00-{call.trace_id}-{call.span_id}-03"
    assert response.request is request
    assert dict(request.headers) == {"X": "y"}
    assert (call.name, call.attributes["http.response.status_code"]) == ("GET", 200)
    assert call.attributes["url.full"] == f"{url}/moved"
    with pytest.raises(tornado.httpclient.HTTPClientError):
        await client.fetch(f"{url}/nowhere")
    refused = [span for span in rec.spans() if span.kind == "client"][-1]
    assert refused.attributes["error.type"] == "404"
    with pytest.raises(OSError, match="refused"):
        await client.fetch("http://127.0.0.1:1")
    failed = [span for span in rec.spans() if span.kind == "client"][-1]
    assert failed.attributes["error.type"] == "ConnectionRefusedError"
    assert "http.response.status_code" not in failed.attributes


async def test_a_websocket_has_one_span_until_its_end(rec, url):
    connection = await tornado.websocket.websocket_connect(url.replace("http", "ws") + "/echo")
    await connection.write_message("a")
    assert await connection.read_message() == "a"
    connection.close()
    assert await connection.read_message() is None
    for _ in range(100):
        if servers(rec):
            break
        await tornado.gen.moment
    assert_trace(
        [span for span in rec.spans() if span.kind != "client"],
        """
        GET /echo [server]
          message
        """,
    )
    assert servers(rec)[0].attributes["http.response.status_code"] == 101
