"""Falcon's WSGI and ASGI applications: routes, statuses and exceptions, each request with one span."""

from __future__ import annotations

import falcon
import falcon.asgi
import falcon.testing
import pytest

from devenv import tracing
from devenv.tracing.integrations.web import falcon as integration
from devenv.tracing.testing import assert_trace

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


class Items:
    def on_get(self, request, response, number):
        with tracing.span("business"):
            response.text = number


class Broken:
    def on_get(self, request, response, kind):
        if kind == "http":
            raise falcon.HTTPServiceUnavailable
        raise (KeyError if kind == "known" else ValueError)("own")


class AsyncItems(Items):
    async def on_get(self, request, response, number):
        Items.on_get(self, request, response, number)


class AsyncBroken(Broken):
    async def on_get(self, request, response, kind):
        Broken.on_get(self, request, response, kind)


def known(request, response, exception, parameters):
    response.status = 409


async def async_known(request, response, exception, parameters):
    response.status = 409


def wsgi():
    app = falcon.App()
    app.add_route("/items/{number}", Items())
    app.add_route("/broken/{kind}", Broken())
    app.add_error_handler(KeyError, known)
    return app


def asgi():
    app = falcon.asgi.App()
    app.add_route("/items/{number}", AsyncItems())
    app.add_route("/broken/{kind}", AsyncBroken())
    app.add_error_handler(KeyError, async_known)
    return app


@pytest.mark.parametrize("make", [wsgi, asgi])
def test_each_request_has_a_span_with_its_route_and_its_exception(rec, patched, make):
    integration.instrument()
    integration.instrument_asgi()
    client = falcon.testing.TestClient(make())
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    paths = ("/items/4?token=x", "/nowhere", "/broken/http", "/broken/known", "/broken/other")
    statuses = [client.simulate_get(path, headers=headers).status_code for path in paths]
    assert statuses == [200, 404, 503, 409, 500]
    assert_trace(
        rec.spans(),
        """
        GET /items/{number} [server]
          business
        GET [server]
        GET /broken/{kind} [server] !
        GET /broken/{kind} [server]
        GET /broken/{kind} [server] !
        """,
    )
    first = rec.span("GET /items/{number}")
    assert (first.trace_id, first.parent_id) == (TRACE, PARENT)
    assert first.attributes["http.route"] == "/items/{number}"
    assert first.attributes["url.query"] == "token=[REDACTED]"
    http, handled, other = [span for span in rec.spans() if span.name == "GET /broken/{kind}"]
    assert (http.attributes["error.type"], http.events) == ("503", ())
    assert (handled.attributes["http.response.status_code"], handled.events) == (409, ())
    assert other.attributes["error.type"] == "ValueError"
    assert [(name, found["exception.message"]) for name, found in other.events] == [("exception", "own")]


def test_applications_below_a_middleware_by_hand_have_one_span(rec, patched):
    integration.instrument()
    client = falcon.testing.TestClient(tracing.WSGIMiddleware(wsgi()))
    client.simulate_get("/items/1")
    assert [span.name for span in rec.spans()] == ["GET /items/{number}", "business"]


def test_a_websocket_has_one_span_until_its_end(rec, patched):
    class Echo:
        async def on_websocket(self, request, websocket, number):
            await websocket.accept()
            await websocket.close()

    app = falcon.asgi.App()
    app.add_route("/echo/{number}", Echo())
    integration.instrument()
    integration.instrument_asgi()

    async def main():
        async with falcon.testing.ASGIConductor(app) as conductor, conductor.simulate_ws("/echo/1"):
            pass

    falcon.async_to_sync(main)
    (span,) = rec.spans()
    assert (span.name, span.attributes["http.response.status_code"]) == ("GET /echo/{number}", 101)
