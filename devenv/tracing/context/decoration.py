"""Decorates functions of every kind with a block that opens for each call and ends with the body, not before."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from types import TracebackType
from typing import Any, Protocol, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])


class Block(Protocol):
    """A block that can be left while a generator has yielded, so that it is not current in the consumer."""

    def __enter__(self) -> Any: ...

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def pause(self) -> None:
        """Leave the block for a while."""

    def resume(self) -> None:
        """Enter it again."""


def around(function: F, block: Callable[[], Block | None]) -> F:
    """Return the function with a block around each call.

    Args:
        function: A function, coroutine function, generator function or asynchronous generator function.
        block: Returns the block of one call; None for a call without one.
    """
    if inspect.isasyncgenfunction(function):
        return cast("F", _around_async_generator(function, block))
    if inspect.isgeneratorfunction(function):
        return cast("F", _around_generator(function, block))
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def asynchronous(*args: Any, **kwargs: Any) -> Any:
            opened = block()
            if opened is None:
                return await function(*args, **kwargs)
            with opened:
                return await function(*args, **kwargs)

        return cast("F", asynchronous)

    @functools.wraps(function)
    def synchronous(*args: Any, **kwargs: Any) -> Any:
        opened = block()
        if opened is None:
            return function(*args, **kwargs)
        with opened:
            return function(*args, **kwargs)

    return cast("F", synchronous)


def _around_generator(
    function: Callable[..., Generator[Any, Any, Any]], block: Callable[[], Block | None]
) -> Callable[..., Generator[Any, Any, Any]]:
    @functools.wraps(function)
    def generate(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        opened = block()
        if opened is None:
            return (yield from function(*args, **kwargs))
        with opened:
            inner = function(*args, **kwargs)
            step: Callable[[Any], Any] = inner.send
            given: Any = None
            while True:
                try:
                    item = step(given)
                except StopIteration as stop:
                    return stop.value
                opened.pause()
                try:
                    given = yield item
                    step = inner.send
                except GeneratorExit:
                    opened.resume()
                    inner.close()
                    raise
                except BaseException as error:  # noqa: BLE001 - thrown into the generator, as `yield from` does
                    given, step = error, inner.throw
                opened.resume()

    return generate


def _around_async_generator(
    function: Callable[..., AsyncGenerator[Any, Any]], block: Callable[[], Block | None]
) -> Callable[..., AsyncGenerator[Any, Any]]:
    @functools.wraps(function)
    async def generate(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        opened = block() or _NoBlock()
        with opened:
            inner = function(*args, **kwargs)
            step: Callable[[Any], Any] = inner.asend
            given: Any = None
            while True:
                try:
                    item = await step(given)
                except StopAsyncIteration:
                    return
                opened.pause()
                try:
                    given = yield item
                    step = inner.asend
                except GeneratorExit:
                    opened.resume()
                    await inner.aclose()
                    raise
                except BaseException as error:  # noqa: BLE001 - thrown into the generator, as the caller did
                    given, step = error, inner.athrow
                opened.resume()

    return generate


class _NoBlock:
    """The block of a call that is not recorded."""

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(self, *_: object) -> None:
        """Do nothing."""

    def pause(self) -> None:
        """Do nothing."""

    def resume(self) -> None:
        """Do nothing."""
