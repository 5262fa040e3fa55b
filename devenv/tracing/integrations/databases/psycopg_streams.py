"""psycopg 3: `copy` and `stream`, which last while the program writes or reads.

The span begins with the statement and ends with the block, or with the last row. It is current only while psycopg
works, so that statements for other databases in the block have their own spans.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from types import TracebackType
from typing import Any

from devenv.tracing.databases.target import Database
from devenv.tracing.integrations.databases.driver import block
from devenv.tracing.spans import SpanScope

Describe = Callable[[Any], Database]


def copying(describe: Describe) -> Callable[[Any], Any]:
    """Return the maker of a traced `copy(statement, …)`, synchronous or asynchronous."""
    return _within(describe, Copying)


def streaming(describe: Describe) -> Callable[[Any], Any]:
    """Return the maker of a traced `stream(statement, …)`."""
    return _within(describe, _rows)


def async_streaming(describe: Describe) -> Callable[[Any], Any]:
    """Return the maker of a traced asynchronous `stream(statement, …)`."""
    return _within(describe, _async_rows)


def _within(describe: Describe, wrap: Callable[[Any, SpanScope], Any]) -> Callable[[Any], Any]:
    """Return the maker of a traced function of a cursor; `wrap` joins its result and the block of the span."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: Any, statement: Any, *args: Any, **options: Any) -> Any:
            made = original(self, statement, *args, **options)
            traced = block(describe, self, statement)
            return wrap(made, traced) if isinstance(traced, SpanScope) else made

        return call

    return make


class Copying:
    """The block of `with cursor.copy(…)`, and of `async with`.

    Args:
        inner: psycopg's block.
        traced: The block of the span.
    """

    def __init__(self, inner: Any, traced: SpanScope) -> None:
        self._inner = inner
        self._traced = traced

    def __enter__(self) -> Any:
        self._traced.__enter__()
        try:
            made = self._inner.__enter__()
        except BaseException as error:
            self._traced.__exit__(type(error), error, error.__traceback__)
            raise
        self._traced.pause()
        return made

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> Any:
        self._traced.resume()
        try:
            answer = self._inner.__exit__(exc_type, exc, traceback)
        except BaseException as error:
            self._traced.__exit__(type(error), error, error.__traceback__)
            raise
        self._traced.__exit__(exc_type, exc, traceback)
        return answer

    async def __aenter__(self) -> Any:
        self._traced.__enter__()
        try:
            made = await self._inner.__aenter__()
        except BaseException as error:
            self._traced.__exit__(type(error), error, error.__traceback__)
            raise
        self._traced.pause()
        return made

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> Any:
        self._traced.resume()
        try:
            answer = await self._inner.__aexit__(exc_type, exc, traceback)
        except BaseException as error:
            self._traced.__exit__(type(error), error, error.__traceback__)
            raise
        self._traced.__exit__(exc_type, exc, traceback)
        return answer


def _rows(rows: Any, traced: SpanScope) -> Iterator[Any]:
    traced.__enter__()
    try:
        for row in rows:
            traced.pause()
            try:
                yield row
            finally:
                traced.resume()
    except BaseException as error:
        rows.close()
        traced.__exit__(type(error), error, error.__traceback__)
        raise
    traced.__exit__(None, None, None)


async def _async_rows(rows: Any, traced: SpanScope) -> AsyncIterator[Any]:
    traced.__enter__()
    try:
        async for row in rows:
            traced.pause()
            try:
                yield row
            finally:
                traced.resume()
    except BaseException as error:
        await rows.aclose()
        traced.__exit__(type(error), error, error.__traceback__)
        raise
    traced.__exit__(None, None, None)
