"""The client and server of `websockets`, asynchronous and synchronous, on a loopback port."""

from __future__ import annotations

import asyncio
import threading
from time import monotonic

import pytest
import websockets.asyncio.client
import websockets.asyncio.server
import websockets.sync.client
import websockets.sync.server
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from devenv import tracing
from devenv.tracing.integrations.web import websockets_client, websockets_server


@pytest.fixture
def traced(rec, patched):
    for integration in (websockets_client, websockets_server):
        integration.instrument()
        integration.instrument_sync()
    return rec


def settled(rec, count):
    """All spans: that of a server ends after the client has gone."""
    until = monotonic() + 5
    while len(rec.spans()) < count and monotonic() < until:
        pass
    return {span.kind: span for span in rec.spans()}


async def test_an_asynchronous_connection_has_a_span_on_each_side(traced):
    async def echo(connection):
        async for message in connection:
            with tracing.span("message"):
                await connection.send(message)

    async with websockets.asyncio.server.serve(echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with tracing.span("caller") as caller:
            url = f"ws://127.0.0.1:{port}/room?token=x"
            async with websockets.asyncio.client.connect(url, additional_headers={"x": "y"}) as connection:
                await connection.send("a")
                assert await connection.recv() == "a"
                assert connection.request.headers["x"] == "y"
    found = settled(traced, 4)
    client, served = found["client"], found["server"]
    assert client.parent_id == f"{caller.get_span_context().span_id:016x}"
    assert (served.parent_id, served.trace_id) == (client.span_id, client.trace_id)
    assert traced.span("message").parent_id == served.span_id
    assert client.attributes["url.full"] == f"ws://127.0.0.1:{port}/room?token=[REDACTED]"
    assert (client.attributes["network.peer.address"], client.attributes["network.peer.port"]) == ("127.0.0.1", port)
    assert client.attributes["http.response.status_code"] == served.attributes["http.response.status_code"] == 101
    assert (served.attributes["url.path"], served.attributes["url.query"]) == ("/room", "token=[REDACTED]")
    assert (served.attributes["url.scheme"], served.attributes["server.port"]) == ("ws", port)
    assert served.name == "GET"


async def test_a_handler_that_fails_and_a_handshake_that_is_refused(traced):
    async def broken(connection):
        raise ValueError("own")

    async with websockets.asyncio.server.serve(broken, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with websockets.asyncio.client.connect(f"ws://127.0.0.1:{port}/") as connection:
            with pytest.raises(ConnectionClosedError):
                await connection.recv()
        await asyncio.sleep(0)
    served = settled(traced, 2)["server"]
    assert served.attributes["error.type"] == "ValueError"
    assert [name for name, _ in served.events] == ["exception"]
    traced.clear()

    def refuse(connection, request):
        return connection.respond(403, "no")

    async with websockets.asyncio.server.serve(broken, "127.0.0.1", 0, process_request=refuse) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(InvalidStatus):
            await websockets.asyncio.client.connect(f"ws://127.0.0.1:{port}/")
    (client,) = traced.spans()
    assert (client.attributes["http.response.status_code"], client.attributes["error.type"]) == (403, "403")


def test_a_synchronous_connection_has_a_span_on_each_side(traced):
    def echo(connection):
        for message in connection:
            connection.send(message)

    with websockets.sync.server.serve(echo, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = server.socket.getsockname()[1]
        with websockets.sync.client.connect(f"ws://127.0.0.1:{port}/") as connection:
            connection.send("a")
            assert connection.recv() == "a"
        server.shutdown()
        thread.join()
    found = settled(traced, 2)
    assert found["server"].parent_id == found["client"].span_id
    assert found["server"].attributes["http.response.status_code"] == 101
