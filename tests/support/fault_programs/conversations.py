"""Programs with websockets and Jinja2, for `test_own_faults`: what a program sees of each call is returned."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import jinja2
import websockets.asyncio.client
import websockets.asyncio.server
import websockets.sync.client
import websockets.sync.server
from websockets.exceptions import WebSocketException

from devenv.tracing.integrations.web import jinja2 as jinja2_integration
from devenv.tracing.integrations.web import websockets_client, websockets_server


async def _answer(connection: Any) -> None:
    message = await connection.recv()
    if message == "raise":
        raise ValueError("own")
    await connection.send(message)


def _answer_sync(connection: Any) -> None:
    connection.send(connection.recv())


async def _asynchronous() -> list[Any]:
    answers: list[Any] = []
    async with websockets.asyncio.server.serve(_answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        for message in ("x", "raise"):
            try:
                async with websockets.asyncio.client.connect(f"ws://127.0.0.1:{port}/a?b=c") as connection:
                    await connection.send(message)
                    answers.append(await connection.recv())
            except WebSocketException as error:
                answers.append(type(error).__name__)
    return answers


def _synchronous() -> list[Any]:
    with websockets.sync.server.serve(_answer_sync, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = server.socket.getsockname()[1]
        with websockets.sync.client.connect(f"ws://127.0.0.1:{port}/") as connection:
            connection.send("x")
            answer = connection.recv()
        server.shutdown()
        thread.join()
    return [answer]


def with_websockets(_url: str) -> Any:
    """Both interfaces: a message that is sent back, and a handler that fails."""
    for integration in (websockets_client, websockets_server):
        integration.instrument()
        integration.instrument_sync()
    return [asyncio.run(_asynchronous()), _synchronous()]


def with_jinja2(_url: str) -> Any:
    """A template that is rendered in both ways, and one that fails."""
    jinja2_integration.instrument()
    environment = jinja2.Environment(loader=jinja2.DictLoader({"a": "{{ b }}", "c": "{{ 1 / 0 }}"}), autoescape=True)
    found = [environment.get_template("a").render(b="d")]
    with_await = jinja2.Environment(enable_async=True, autoescape=True)
    found.append(asyncio.run(with_await.from_string("{{ b }}").render_async(b="d")))
    try:
        environment.get_template("c").render()
    except ZeroDivisionError as error:
        found.append(str(error))
    return found
