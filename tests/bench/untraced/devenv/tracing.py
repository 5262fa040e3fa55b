"""What the sample's services call of `devenv.tracing`, doing nothing: services in which there never was any tracing."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Self


class ConfigError(Exception):
    """Never raised."""


class _Nothing:
    service_name = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def set_attribute(self, _key: str, _value: Any) -> None:
        return None

    def shutdown(self) -> None:
        return None


_NOTHING = _Nothing()


def setup(_config: Any) -> _Nothing:
    return _NOTHING


def span(_name: str, **_more: Any) -> _Nothing:
    return _NOTHING


def client_span(_method: str, _url: str, _headers: Any = None) -> _Nothing:
    return _NOTHING


def current_ids() -> tuple[str, str]:
    return "", ""


def set_attributes(_attributes: Any) -> None:
    return None


add_event = record_exception = lambda *_, **__: None
run_in_thread = asyncio.to_thread
sqlite_connection = sqlite3.connect


def TracingMiddleware(app: Callable[..., Any]) -> Callable[..., Any]:  # noqa: N802 - the class's name
    return app


class TracedQueue(asyncio.Queue[Any]):
    def __init__(self, _name: str, size: int) -> None:
        super().__init__(size)

    @asynccontextmanager
    async def process(self) -> AsyncIterator[Any]:
        item = await self.get()
        try:
            yield item
        finally:
            self.task_done()
