"""The page of a large trace is made in a separate process, so that reading it does not keep the receiver waiting."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncGenerator, Iterator

import pytest
from otlp_build import make_span, one, trace_id
from raw_http import PROTOBUF, Client, backend

from devenv.analysis import waterfall as arranging
from devenv.backend import Backend
from devenv.backend.query.source import StoreSource
from devenv.backend.store.store import Store
from devenv.dashboard import large_trace
from devenv.dashboard.pages import page_routes
from devenv.dashboard.trace_page import TracePage
from devenv.http.server import HttpRequest, Response, Router
from devenv.model.trace import Trace
from devenv.traces.client import TraceClient
from devenv.traces.logs.source import NO_LOGS
from devenv.traces.source import EncodedSpans

__all__ = ["backend"]  # a fixture
SPANS = large_trace.LARGE + 200
TRACE = "ab" * 16


async def stored(backend: Backend) -> str:
    trace = trace_id()
    for first in range(0, SPANS, 300):
        numbers = range(first + 1, first + 301)
        spans = [
            make_span(trace, id=number.to_bytes(8, "big"), name=f"<b>{number}", start=number) for number in numbers
        ]
        client = await Client.to(backend.otlp_port)
        assert (await client.post(one("web", *spans), PROTOBUF))[0] == 200
    return trace.hex()


async def ask(source: object, path: str, query: str = "") -> Response:
    resolved = Router(page_routes(source)).resolve(HttpRequest("GET", path, query, {}))  # type: ignore[arg-type]
    assert not isinstance(resolved, Response)
    return await resolved[0](resolved[1])


async def whole(response: Response) -> str:
    assert isinstance(response.body, AsyncGenerator)
    return b"".join([piece async for piece in response.body]).decode()


def content(text: str) -> str:
    return re.sub(r"<title>.*?</title>", "", text)


async def test_it_shows_what_a_source_without_encoded_spans_shows(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = await stored(backend)
    async with TraceClient(f"http://127.0.0.1:{backend.query_port}") as client:
        usual = await ask(client, f"/trace/{trace}", "spans=1100")
    assert not isinstance(usual.body, bytes | AsyncGenerator)

    def never(trace: Trace) -> None:
        raise AssertionError(f"{trace.trace_id} was arranged in the backend's process")

    monkeypatch.setattr(arranging, "waterfall", never)
    monkeypatch.setattr("devenv.dashboard.waterfall_view.waterfall", never)
    separate = await whole(await ask(StoreSource(backend.store), f"/trace/{trace}", "spans=1100"))
    assert content(separate) == content(b"".join(usual.body).decode())
    assert separate.count("<details") == 1100
    assert "&lt;b&gt;7<" in separate


class Slow:
    """A source of one large trace that never ends, and what was taken of it."""

    def __init__(self) -> None:
        self.taken = 0

    async def services(self) -> list[str]:
        return ["web"]

    def encoded(self, trace_id: str) -> EncodedSpans | None:
        return EncodedSpans(SPANS, False, self._pieces()) if trace_id == TRACE else None

    def _pieces(self) -> Iterator[bytes]:
        while True:
            self.taken += 1
            yield b""


def slow_page() -> AsyncGenerator[bytes]:
    page = large_trace.LargeTraces(Slow()).page(TRACE, 10, NO_LOGS, ["web"])
    assert page is not None
    assert isinstance(page.body, AsyncGenerator)
    return page.body


async def test_its_head_is_sent_before_a_span_is_read() -> None:
    source = Slow()
    response = await TracePage(source)(HttpRequest("GET", f"/trace/{TRACE}", "", {}, arguments={"id": TRACE}))  # type: ignore[arg-type]
    assert isinstance(response.body, AsyncGenerator)
    head = await anext(response.body)
    assert head.endswith(b'<main id="main" class="wide">')
    assert source.taken == 0
    await response.body.aclose()


async def test_its_process_ends_with_the_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    started: asyncio.Queue[asyncio.subprocess.Process] = asyncio.Queue()
    start = asyncio.create_subprocess_exec

    async def noted(*arguments: str, **options: int) -> asyncio.subprocess.Process:
        process = await start(*arguments, **options)
        started.put_nowait(process)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noted)
    page = slow_page()
    await anext(page)
    reading = asyncio.ensure_future(anext(page))
    process = await started.get()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert process.returncode is not None
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


async def test_a_process_that_fails_is_said_on_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_trace, "PROCESS", "devenv.no_such_module")
    text = b"".join([piece async for piece in slow_page()]).decode()
    assert "The rest of this page could not be made: its process ended with 1." in text
    assert text.endswith("</html>")


async def test_a_missing_trace_is_404() -> None:
    response = await ask(StoreSource(Store(1 << 20)), f"/trace/{TRACE}")
    assert response.status == 404
