"""A raw HTTP connection and a backend on free ports, for tests of what goes over the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from devenv.backend import Backend, EmbeddedSettings, serve

PROTOBUF = "Content-Type: application/x-protobuf\r\n"


@asynccontextmanager
async def running(**changes: Any) -> AsyncIterator[Backend]:
    """A backend on free ports; ``changes`` are fields of its settings."""
    settings = {"otlp_port": 0, "query_port": 0, "health_port": 0, **changes}
    backend = await serve(EmbeddedSettings(**settings))
    try:
        yield backend
    finally:
        await backend.close()


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    async with running() as found:
        yield found


class Client:
    """A raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def to(cls, port: int) -> Client:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    def send(self, text: str | bytes) -> None:
        self.writer.write(text if isinstance(text, bytes) else text.encode())

    async def answer(self, *, body: bool = True) -> tuple[int, dict[str, str], bytes]:
        head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10)).decode()
        lines = head.split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)}
        content = b""
        if not body:
            pass
        elif headers.get("transfer-encoding") == "chunked":
            while size := int(await self.reader.readline(), 16):
                content += await self.reader.readexactly(size)
                await self.reader.readexactly(2)
            await self.reader.readexactly(2)
        else:
            content = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return int(lines[0].split()[1]), headers, content

    async def ask(self, path: str, headers: str = "", method: str = "GET") -> tuple[int, dict[str, str], bytes]:
        host = "" if "Host:" in headers else "Host: localhost\r\n"
        self.send(f"{method} {path} HTTP/1.1\r\n{host}{headers}\r\n")
        return await self.answer(body=method != "HEAD")

    async def post(self, body: bytes, headers: str = PROTOBUF) -> tuple[int, dict[str, str], bytes]:
        self.send(f"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {len(body)}\r\n\r\n")
        self.send(body)
        return await self.answer()

    async def ended(self) -> bool:
        """Whether the server closes within some seconds."""
        try:
            return await asyncio.wait_for(self.reader.read(), 10) is not None
        except ConnectionError:
            return True


async def until(condition: Callable[[], bool] | Callable[[], Awaitable[bool]], seconds: float = 10) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        result = condition()
        if (isinstance(result, bool) and result) or (not isinstance(result, bool) and await result):
            return
        assert asyncio.get_running_loop().time() < deadline, "it did not come true in time"
        await asyncio.sleep(0.02)
