"""Programs with Falcon and Tornado, for `test_own_faults`: what a program sees of each call is returned."""

from __future__ import annotations

import asyncio
from typing import Any

import falcon
import falcon.asgi
import falcon.testing
import tornado.httpclient
import tornado.web

from devenv.tracing.integrations.web import falcon as falcon_integration
from devenv.tracing.integrations.web import tornado_client, tornado_server


class _Resource:
    def on_get(self, request: Any, response: Any, number: str) -> None:
        if number == "2":
            raise ValueError("own")
        response.text = number


class _AsyncResource:
    async def on_get(self, request: Any, response: Any, number: str) -> None:
        _Resource().on_get(request, response, number)


class _Handler(tornado.web.RequestHandler):
    def get(self, number: str) -> None:
        if number == "2":
            raise ValueError("own")
        self.write(number)


def with_falcon(_url: str) -> Any:
    """A WSGI and an ASGI application, two requests each."""
    falcon_integration.instrument()
    falcon_integration.instrument_asgi()
    answers = []
    for app, resource in ((falcon.App(), _Resource()), (falcon.asgi.App(), _AsyncResource())):
        app.add_route("/items/{number}", resource)
        client = falcon.testing.TestClient(app)
        for number in (1, 2):
            response = client.simulate_get(f"/items/{number}", headers={"user-agent": "u"}, params={"a": "1"})
            answers.append((response.status_code, response.text))
    return answers


def with_tornado(_url: str) -> Any:
    """A server on loopback and its client: two responses, and a connection that is refused."""
    tornado_server.instrument()
    tornado_client.instrument()

    async def main() -> Any:
        server = tornado.web.Application([("/items/([0-9]+)", _Handler)]).listen(0, "127.0.0.1")
        port = next(iter(server._sockets.values())).getsockname()[1]
        client = tornado.httpclient.AsyncHTTPClient(force_instance=True)
        answers: list[Any] = []
        for number in (1, 2):
            response = await client.fetch(f"http://127.0.0.1:{port}/items/{number}?a=1", raise_error=False)
            answers.append((response.code, response.body))
        refused = (await asyncio.gather(client.fetch("http://127.0.0.1:1"), return_exceptions=True))[0]
        client.close()
        server.stop()
        await server.close_all_connections()
        return [*answers, type(refused).__name__]

    return asyncio.run(main())
