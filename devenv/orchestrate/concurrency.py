"""Runs coroutines concurrently and raises the first error itself rather than in a group."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")
First = TypeVar("First")
Second = TypeVar("Second")


async def gather(*work: Coroutine[Any, Any, Result]) -> list[Result]:
    """Return the results in order; at the first error the others are cancelled and awaited, and it is raised.

    Unlike with :func:`asyncio.gather`, nothing is still running afterwards, neither after an error nor when cancelled.
    """
    tasks: list[asyncio.Task[Result]] = []
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(item) for item in work]
    except BaseExceptionGroup as errors:
        raise first_error(errors) from None
    return [task.result() for task in tasks]


def first_error(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first exception of a group that is not a group."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def both(first: Coroutine[Any, Any, First], second: Coroutine[Any, Any, Second]) -> tuple[First, Second]:
    """Return the results of two coroutines of different types, run like :func:`gather`."""
    results: list[Any] = await gather(first, second)
    return results[0], results[1]
