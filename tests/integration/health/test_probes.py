"""The probes over real sockets on the loopback."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pytest

from devenv.contract.answers import Endpoint, ExecResult, ExitStatus, LogLine
from devenv.errors import EngineRefused
from devenv.health.choice import choose
from devenv.health.network import HttpProbe, TcpProbe
from devenv.health.route import PortRoute
from devenv.model.stack import Port
from devenv.testing import make_service

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Target:
    """An engine of which only the way to a port is asked."""

    endpoints: list[Endpoint | None]
    asked: int = 0
    executed: list[Sequence[str]] | None = None

    async def endpoint(self, instance_id: str, port: int) -> Endpoint | None:
        self.asked += 1
        return self.endpoints.pop(0) if len(self.endpoints) > 1 else self.endpoints[0]

    async def exec(
        self, instance_id: str, command: Sequence[str], *, environment: Mapping[str, str] | None = None
    ) -> ExecResult:
        if self.executed is None:
            raise EngineRefused("is not running")
        self.executed.append(command)
        return ExecResult(exit_code=0, output=b"")

    async def wait(self, instance_id: str) -> ExitStatus:
        raise NotImplementedError

    def logs(
        self, instance_id: str, *, follow: bool = False, since: float | None = None, tail: int | None = None
    ) -> AsyncIterator[LogLine]:
        raise NotImplementedError


@contextlib.asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[int]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await handler(reader, writer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def route(port: int, **options: object) -> PortRoute:
    return PortRoute(Target([Endpoint(host="127.0.0.1", port=port)]), "id", 8080, **options)  # type: ignore[arg-type]


def answering(response: bytes, seen: list[bytes] | None = None) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        if seen is not None:
            seen.append(request)
        writer.write(response)
        await writer.drain()

    return handle


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_a_get_with_an_unsampled_traceparent() -> None:
    seen: list[bytes] = []
    async with serving(answering(b"HTTP/1.1 204 No Content\r\n\r\n", seen)) as port:
        assert (await HttpProbe(route(port), "/health?deep=1").ask()).ok
    lines = seen[0].decode().split("\r\n")
    assert lines[0] == "GET /health?deep=1 HTTP/1.1"
    headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
    version, trace_id, parent_id, flags = headers["traceparent"].split("-")
    assert (version, flags) == ("00", "00")
    assert int(trace_id, 16) != 0
    assert int(parent_id, 16) != 0
    assert (len(trace_id), len(parent_id)) == (32, 16)
    assert headers["host"] == "localhost:8080"
    assert headers["connection"] == "close"


@pytest.mark.parametrize(
    ("response", "status", "ok", "text"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", None, True, "200 OK"),
        (b"HTTP/1.0 302 Found\r\n\r\n", None, True, "302"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", None, False, "404"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", 404, True, "404"),
        (b"HTTP/1.1 200 OK\r\n\r\n", 204, False, "expected 204"),
        (b"HTTP/1.1 503 Unavailable\r\nContent-Length: 11\r\n\r\nno database", None, False, "no database"),
        (b"HTTP/1.1 101 Switching\r\n\r\n", None, False, "101"),
        (b"SSH-2.0-server\r\n", None, False, "not HTTP: SSH-2.0-server"),
        (b"SSH-2.0-server\r\n\r\n", None, False, "not HTTP: SSH-2.0-server"),
        (b"", None, False, "closed without an answer"),
        (b"x" * 100_000, None, False, "not HTTP"),
        (b"HTTP/1.1 abc\r\n\r\n", None, False, "not HTTP"),
    ],
)
async def test_answers_are_judged(response: bytes, status: int | None, ok: bool, text: str) -> None:
    async with serving(answering(response)) as port:
        answer = await HttpProbe(route(port), "/", status).ask()
    assert answer.ok is ok
    assert text in answer.text


async def test_an_answer_without_end_does_not_hold_the_probe_up() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1\r\nx\r\n")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with serving(endless) as port, asyncio.timeout(2):
        assert (await HttpProbe(route(port), "/").ask()).ok


async def test_a_server_that_never_answers_is_given_up() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(silent) as port:
        answer = await HttpProbe(route(port), "/", timeout=0.2).ask()
    assert not answer.ok
    assert "no answer within 0.2 s" in answer.text


async def test_refused_is_not_ready(closed_port: int) -> None:
    for probe in (HttpProbe(route(closed_port), "/"), TcpProbe(route(closed_port))):
        answer = await probe.ask()
        assert not answer.ok
        assert "refused" in answer.text


async def test_a_connection_that_is_held_is_ready() -> None:
    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(hold) as port:
        assert (await TcpProbe(route(port)).ask()).ok


async def test_a_greeting_is_ready_even_if_the_server_then_closes() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")

    async with serving(greet) as port:
        assert (await TcpProbe(route(port)).ask()).ok


@pytest.mark.parametrize("reset", [True, False])
async def test_accepting_and_closing_at_once_is_not_ready(reset: bool) -> None:
    async def drop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if reset:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    async with serving(drop) as port:
        answer = await TcpProbe(route(port)).ask()
    assert not answer.ok
    assert "reset" in answer.text.lower() or "closed immediately" in answer.text


@pytest.fixture
def swallowing_port() -> Iterator[int]:
    """A port whose backlog is full: connecting gets no answer at all, as from an address that is not routed."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


async def test_where_the_engines_way_leads_nowhere_the_published_port_is_asked(swallowing_port: int) -> None:
    unreachable = Endpoint(host="127.0.0.1", port=swallowing_port)
    async with serving(answering(b"HTTP/1.1 200 OK\r\n\r\n")) as port:
        way = PortRoute(Target([unreachable]), "id", 8080, published=("127.0.0.1", port))
        async with asyncio.timeout(4):
            assert (await HttpProbe(way, "/").ask()).ok
        async with asyncio.timeout(0.5):  # the way that answered is kept
            assert (await HttpProbe(way, "/").ask()).ok


async def test_without_an_endpoint_the_published_port_is_asked() -> None:
    async with serving(answering(b"HTTP/1.1 200 OK\r\n\r\n")) as port:
        service = make_service("web", ports=(Port(container=8080, host=port),), x={"ready": {"http": "/"}})
        choice = choose(Target([None]), "id", service)
        assert choice is not None
        assert (await choice.probe.ask()).ok


@pytest.mark.parametrize("ready", [{"http": "/health"}, {"tcp": True}])
async def test_without_any_way_from_here_it_is_asked_from_inside(ready: dict[str, object]) -> None:
    target = Target([None], executed=[])
    service = make_service("web", expose=(8080,), x={"ready": ready})
    choice = choose(target, "id", service)
    assert choice is not None
    assert (await choice.probe.ask()).ok
    assert target.executed is not None
    assert "8080" in target.executed[0][-1]


async def test_a_restarted_instance_is_found_at_its_new_address(closed_port: int) -> None:
    async with serving(answering(b"HTTP/1.1 200 OK\r\n\r\n")) as port:
        target = Target([Endpoint(host="127.0.0.1", port=closed_port), Endpoint(host="127.0.0.1", port=port)])
        probe = HttpProbe(PortRoute(target, "id", 8080), "/")
        answers = [await probe.ask() for _ in range(25)]
    assert answers[-1].ok
    assert not answers[0].ok
    assert target.asked == 2
