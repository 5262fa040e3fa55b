"""A synchronous client of an ASGI application that lives in this process, lifespan included."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

import httpx
from starlette.applications import Starlette


class AsgiClient:
    """Starts the application on entry and stops it on exit; each request runs on the same event loop."""

    def __init__(self, app: Starlette) -> None:
        self._app = app
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._client: httpx.AsyncClient | None = None

    def __enter__(self) -> Self:
        self._runner.run(self._start())
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._runner.run(self._stack.aclose())
        finally:
            self._runner.close()

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        assert self._client is not None
        return self._runner.run(self._client.request(method, path, **more))

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.request("GET", path, **more)

    def post(self, path: str, **more: Any) -> httpx.Response:
        return self.request("POST", path, **more)

    def patch(self, path: str, **more: Any) -> httpx.Response:
        return self.request("PATCH", path, **more)

    def delete(self, path: str, **more: Any) -> httpx.Response:
        return self.request("DELETE", path, **more)

    async def _start(self) -> None:
        await self._stack.enter_async_context(self._app.router.lifespan_context(self._app))
        transport = httpx.ASGITransport(self._app)
        client = httpx.AsyncClient(transport=transport, base_url="http://service.test")
        self._client = await self._stack.enter_async_context(client)
