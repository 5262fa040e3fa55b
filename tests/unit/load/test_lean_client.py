"""The load client for a few requests whose response matters."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from devenv.load.send.lean_client import LeanClient
from devenv.traces.http import TransportError


@asynccontextmanager
async def serving(*answers: bytes, hold: float = 0.0) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that gives one answer per connection and request, then closes; ``url`` and what it read."""
    left, seen = list(answers), []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while left:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
                seen.append(head + await reader.readexactly(length))
                await asyncio.sleep(hold)
                writer.write(left.pop(0))
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/base/", seen
    finally:
        server.close()


OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


async def test_requests_follow_each_other_on_one_connection() -> None:
    failed = b"HTTP/1.1 503 X\r\ncontent-length: 0\r\n\r\n"
    async with serving(OK, failed) as (url, seen), LeanClient(url, timeout=5) as client:
        found = [
            await client.request("POST", "/v1", headers={"X-A": "b"}, body=b"one"),
            await client.request("GET", "/v2"),
        ]
    assert [(each.status, each.body) for each in found] == [(200, b"ok"), (503, b"")]
    assert seen[0].startswith(b"POST /base/v1 HTTP/1.1\r\nhost: 127.0.0.1:")
    assert seen[0].endswith(b"\r\nx-a: b\r\ncontent-length: 3\r\n\r\none")
    assert seen[1].startswith(b"GET /base/v2 HTTP/1.1\r\n")


async def test_concurrent_requests_keep_their_bodies_apart() -> None:
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    async with serving(*[chunked] * 4) as (url, _), LeanClient(url, timeout=5) as client:
        found = await asyncio.gather(*(client.request("GET", "/") for _ in range(4)))
    assert [each.body for each in found] == [b"abcde"] * 4


async def test_a_head_request_has_no_body_to_wait_for() -> None:
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"
    async with serving(answer) as (url, _), LeanClient(url, timeout=5) as client:
        assert (await client.request("HEAD", "/")).status == 200


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"", "closed before"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", "closed before"),
        (b"?", "not HTTP"),
    ],
)
async def test_what_is_no_whole_answer(answer: bytes, message: str) -> None:
    async with serving(answer) as (url, _), LeanClient(url, timeout=5) as client:
        with pytest.raises(TransportError, match=message):
            await client.request("GET", "/")


async def test_a_port_that_nothing_listens_on() -> None:
    async with serving() as (url, _):
        pass
    async with LeanClient(url, timeout=5) as client:
        with pytest.raises(TransportError, match=r"cannot connect to 127.0.0.1:\d+: connection refused"):
            await client.request("GET", "/")


async def test_silence_is_given_up() -> None:
    async with serving(OK, hold=30) as (url, _), LeanClient(url, timeout=0.05) as client:
        began = time.monotonic()
        with pytest.raises(TransportError, match=r"no answer from 127.0.0.1:\d+ in 0.05 s"):
            await client.request("GET", "/")
        assert time.monotonic() - began < 5
