"""The load client against servers that misbehave, each in its own way; loopback only."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from devenv.http.origin import Origin
from devenv.load.send.client import LoadClient
from devenv.load.send.flight import Flight
from devenv.load.send.request_template import Identities, RequestTemplate
from devenv.model.extension import Request
from devenv.model.run import RequestError

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@asynccontextmanager
async def server(handler: Handler) -> AsyncIterator[str]:
    tasks = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        try:
            await handler(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    made = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{made.sockets[0].getsockname()[1]}"
    finally:
        made.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Load:
    """A client, and what became of its requests: ``(status, error)`` by number."""

    def __init__(self, url: str, **fields: Any) -> None:
        self.ends: dict[int, tuple[int, RequestError]] = {}
        self.flights: list[Flight] = []
        self.origin = Origin.parse(url)
        self.message = RequestTemplate(self.origin, Request(path="/p", **fields.pop("request", {})))
        values: dict[str, Any] = {"timeout": 5.0, "retriable": True, "head_only": False}
        self.client = LoadClient(self.origin, finished=self._finished, **values | fields)

    def _finished(self, flight: Flight, end: int, status: int, error: RequestError) -> None:
        assert flight.number not in self.ends, "a request ended twice"
        assert end >= flight.actual
        self.ends[flight.number] = (status, error)

    def send(self) -> Flight:
        trace_id, span_id = Identities().draw()
        data = self.message.encode(trace_id, span_id, sampled=True)
        flight = Flight(len(self.flights), 0, self.client.now(), trace_id, span_id, True, data)
        self.flights.append(flight)
        self.client.send(flight)
        return flight

    async def ended(self) -> list[tuple[int, RequestError]]:
        async with asyncio.timeout(10):
            while self.client.in_flight:
                self.client.sweep()
                await self.client.settled(0.02)
        self.client.close()
        return [self.ends[number] for number in range(len(self.flights))]


async def request(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


async def test_connections_are_kept_and_reused() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await request(reader)
            writer.write(OK)

    async with server(answer) as url:
        load = Load(url)
        await load.client.resolve()
        for _ in range(5):
            load.send()
            await load.client.settled(5)
        assert await load.ended() == [(200, RequestError.NONE)] * 5
        assert load.client.opened == 1


async def test_sending_does_not_wait_for_answers() -> None:
    released = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        await released.wait()
        writer.write(OK)
        await request(reader)

    async with server(hold) as url:
        load = Load(url)
        for _ in range(20):
            load.send()
        assert load.client.in_flight == 20
        released.set()
        assert await load.ended() == [(200, RequestError.NONE)] * 20
        assert load.client.opened == 20


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end",
    ],
)
async def test_each_way_to_end_an_answer(answer: bytes) -> None:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        for byte in answer:
            writer.write(bytes([byte]))
            await writer.drain()

    async with server(reply) as url:
        load = Load(url)
        load.send()
        assert await load.ended() == [(200, RequestError.NONE)]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", RequestError.CLOSED),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", RequestError.CLOSED),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nha", RequestError.CLOSED),
        (b"HTTP/1.1 200", RequestError.CLOSED),
        (b"SSH-2.0-hello\r\n", RequestError.PROTOCOL),
    ],
)
async def test_broken_answers_have_a_kind(answer: bytes, error: RequestError) -> None:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(answer)

    async with server(reply) as url:
        load = Load(url)
        load.send()
        assert await load.ended() == [(0, error)]


async def test_a_request_on_a_connection_closed_meanwhile_is_sent_once_more() -> None:
    seen: list[bytes] = []

    async def answer_once_then_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await request(reader))
        writer.write(OK)
        seen.append(await request(reader))  # and no answer

    async with server(answer_once_then_close) as url:
        load = Load(url)
        load.send()
        await load.client.settled(5)
        flight = load.send()
        assert await load.ended() == [(200, RequestError.NONE)] * 2
        assert flight.retried
        assert seen[1] == seen[2]


async def test_what_is_not_idempotent_is_never_sent_twice() -> None:
    seen: list[bytes] = []

    async def answer_once_then_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await request(reader))
        writer.write(OK)
        seen.append(await request(reader))

    async with server(answer_once_then_close) as url:
        load = Load(url, retriable=False)
        load.send()
        await load.client.settled(5)
        load.send()
        assert await load.ended() == [(200, RequestError.NONE), (0, RequestError.CLOSED)]
        assert len(seen) == 2


async def test_a_request_without_answer_times_out_and_its_connection_is_not_used_again() -> None:
    calls = 0

    async def slow_at_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1
        await request(reader)
        if calls == 1:
            await reader.read()
        writer.write(OK)
        await reader.read()

    async with server(slow_at_first) as url:
        load = Load(url, timeout=0.05)
        load.send()
        async with asyncio.timeout(5):
            while load.client.in_flight:
                load.client.sweep()
                await load.client.settled(0.01)
        load.send()
        assert await load.ended() == [(0, RequestError.TIMEOUT), (200, RequestError.NONE)]


async def test_a_refused_connection_has_its_kind() -> None:
    async with server(lambda reader, writer: asyncio.sleep(0)) as url:
        pass
    load = Load(url)
    await load.client.resolve()
    load.send()
    assert await load.ended() == [(0, RequestError.REFUSED)]


async def test_an_unknown_host_has_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    load = Load("http://nowhere")
    await load.client.resolve()
    load.send()
    assert await load.ended() == [(0, RequestError.RESOLVE)]


async def test_tls_to_a_plain_port_is_told_apart() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with server(plain) as url:
        load = Load(url.replace("http:", "https:"))
        load.send()
        assert await load.ended() == [(0, RequestError.TLS)]


async def test_a_head_request_waits_for_no_body() -> None:
    async def head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await request(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")

    async with server(head) as url:
        load = Load(url, head_only=True, request={"method": "HEAD"})
        for _ in range(3):
            load.send()
            await load.client.settled(5)
        assert await load.ended() == [(200, RequestError.NONE)] * 3
        assert load.client.opened == 1


async def test_cancelling_ends_each_request_once() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with server(silent) as url:
        load = Load(url)
        for _ in range(3):
            load.send()
        load.client.cancel()
        assert await load.ended() == [(0, RequestError.CANCELLED)] * 3


async def test_an_idle_connection_that_grew_old_is_closed_before_the_server_does_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(OK)
        await reader.read()
        ended.set()

    async with server(answer) as url:
        load = Load(url)
        load.send()
        await load.client.settled(5)
        load.client.sweep()
        assert not ended.is_set()
        monkeypatch.setattr("devenv.load.send.client.IDLE_NS", -1)
        load.client.sweep()
        async with asyncio.timeout(5):
            await ended.wait()


def test_a_message_carries_its_ids_where_they_belong() -> None:
    request = Request(method="POST", path="/a?b=c", headers={"X-Y": "z", "Traceparent": "no"}, body={"k": 1})
    message = RequestTemplate(Origin.parse("http://h:81/base/"), request)
    first = message.encode(b"\xaa" * 16, b"\xbb" * 8, sampled=True)
    head, _, body = first.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /base/a?b=c HTTP/1.1"
    assert set(lines[1:]) == {
        "host: h:81",
        "user-agent: devenv",
        "accept: */*",
        "content-type: application/json",
        "x-y: z",
        f"traceparent: 00-{'aa' * 16}-{'bb' * 8}-03",
        f"baggage: devenv.request={'aa' * 16}",
        "content-length: 8",
    }
    assert body == b'{"k": 1}'
    assert b"-02\r\n" in message.encode(b"\xaa" * 16, b"\xbb" * 8, sampled=False)
    assert b"aa" not in message.encode(b"\x01" * 16, b"\x02" * 8, sampled=True).partition(b"traceparent")[2]


def test_identities_are_all_different() -> None:
    source = Identities()
    drawn = [source.draw() for _ in range(2000)]
    assert len({trace_id for trace_id, _ in drawn}) == 2000
    assert {(len(trace_id), len(span_id)) for trace_id, span_id in drawn} == {(16, 8)}
