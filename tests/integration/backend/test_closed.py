"""The embedded backend with a token, over HTTP: readers are asked for it, services are not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from otlp_build import make_span, one, trace_id
from raw_http import PROTOBUF, Client

from devenv.app.environment.open import _page, redirect_file
from devenv.app.invocation import Invocation
from devenv.app.urls import BackendAddress as Address
from devenv.backend import Backend, EmbeddedSettings, serve
from devenv.dashboard.pages import page_routes
from devenv.errors import BackendUnavailable
from devenv.traces.client import TraceClient

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

TOKEN = "a-token-of-this-test"


@pytest.fixture
async def closed() -> AsyncIterator[Backend]:
    backend = await serve(EmbeddedSettings(otlp_port=0, query_port=0, health_port=0, pages=page_routes, token=TOKEN))
    yield backend
    await backend.close()


def address(backend: Backend, token: str = TOKEN) -> Address:
    return Address(
        kind="embedded",
        query_url=f"http://127.0.0.1:{backend.query_port}",
        otlp_http_url=f"http://127.0.0.1:{backend.otlp_port}",
        token=token,
    )


async def status(port: int, path: str, headers: str = "") -> int:
    found, _, _ = await (await Client.to(port)).ask(path, headers=headers)
    return found


async def test_services_send_and_only_who_has_the_token_reads(closed: Backend) -> None:
    trace = trace_id()
    posted, _, _ = await (await Client.to(closed.otlp_port)).post(one("a", make_span(trace)), PROTOBUF)
    assert posted == 200
    for path in ("/", "/search", f"/trace/{trace.hex()}", "/dependencies", "/api/services", "/api/devenv/stats"):
        assert await status(closed.query_port, path) == 401, path
        assert await status(closed.query_port, path, f"Authorization: Bearer {TOKEN}\r\n") in {200, 302}, path
    assert await status(closed.health_port, "/status") == 200
    async with TraceClient(address(closed).query_url, token=TOKEN) as client:
        assert await client.services()
        assert await client.reports_evictions()
    async with TraceClient(address(closed).query_url) as stranger:
        with pytest.raises(BackendUnavailable, match="401"):
            await stranger.services()


def test_the_token_is_in_no_representation(closed: Backend) -> None:
    assert TOKEN not in f"{address(closed)!r} {closed.settings!r}"


async def test_a_backend_that_answers_otherwise_is_told(closed: Backend) -> None:
    with pytest.raises(BackendUnavailable, match="does not return a link"):
        await _page(address(closed, "wrong"), address(closed).query_url + "/search")


@pytest.mark.browser
async def test_a_browser_gets_in_by_the_file_that_is_opened(closed: Backend, browser: Chrome, tmp_path: Path) -> None:
    import asyncio

    link = await _page(address(closed), address(closed).query_url + "/search")
    assert link.secret
    file = redirect_file(Invocation(directory=tmp_path), link)
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    await asyncio.to_thread(browser.get, file.as_uri())
    for _ in range(50):
        if await asyncio.to_thread(lambda: browser.current_url) == address(closed).query_url + "/search":
            break
        await asyncio.sleep(0.1)
    text = await asyncio.to_thread(lambda: browser.page_source)
    assert "401" not in text
    assert "<form" in text
    await asyncio.to_thread(browser.refresh)
    assert "<form" in await asyncio.to_thread(lambda: browser.page_source), "the cookie stays"
