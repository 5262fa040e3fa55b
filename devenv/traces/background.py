"""Long computations beside the event loop, so that it hears Ctrl-C and serves its other tasks meanwhile."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

T = TypeVar("T")

LARGE = 1_000_000
"""Bytes from which a response is parsed beside the loop; a smaller one takes less than 20 ms."""


async def in_background(work: Callable[[], T]) -> T:
    """Run ``work`` in its own thread and return its result; any exception of it is raised.

    A cancelled caller does not wait for the thread, and neither does the process when it ends, unlike with the threads
    of ``asyncio.to_thread``. So ``work`` must not write anything.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # None only if it is the result

    def run() -> None:
        result: T | None = None
        failure: BaseException | None = None
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is awaited
            failure = error
        with suppress(RuntimeError):  # the loop is closed: the caller was cancelled
            loop.call_soon_threadsafe(settle, result, failure)

    Thread(target=run, daemon=True, name="devenv-background").start()
    return await future


def parse_json(body: bytes) -> object:
    """Parse JSON as ``json.loads`` does, letting other threads run in between.

    Raises:
        ValueError: If it is not JSON, or nested too deeply.
    """
    try:
        return json.loads(body, object_hook=unchanged)
    except RecursionError as error:
        raise ValueError("JSON that is nested too deeply") from error


def unchanged(found: dict[str, Any]) -> dict[str, Any]:
    """Return the object: a hook that calls into Python, where the interpreter changes threads and sees signals."""
    return found
