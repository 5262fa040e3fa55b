"""The first to finish of several waits."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


async def first(*waits: Coroutine[Any, Any, Result]) -> Result:
    """Return the result of the wait that ends first, in the order given if several have; cancel the others.

    All waits have ended when this returns. An exception of any of them is raised, also of one that fails while it is
    cancelled: that of the first to finish, else the first in the order given; further ones are its cause. The same
    holds if this call is cancelled: they are the cause of its :class:`asyncio.CancelledError`.
    """
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError as cancelled:
        if errors := await _ended(tasks):
            raise cancelled from _together(errors)
        raise
    winner = next(task for task in tasks if task.done())
    if errors := await _ended([winner, *(task for task in tasks if task is not winner)]):
        raise errors[0] from _together(errors[1:])
    return winner.result()


async def _ended(tasks: list[asyncio.Task[Result]]) -> list[BaseException]:
    """Cancel what still runs, wait for it, and return the exceptions in order."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return [error for task in tasks if not task.cancelled() and (error := task.exception()) is not None]


def _together(errors: list[BaseException]) -> BaseException | None:
    return errors[0] if len(errors) == 1 else BaseExceptionGroup("several waits failed", errors) if errors else None
