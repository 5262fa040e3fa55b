"""Runs a use case on an event loop: Ctrl-C once stops in order, twice stops immediately."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from devenv.errors import Interrupted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterator
    from typing import Any

T = TypeVar("T")


def run_async(
    main: Callable[[], Coroutine[Any, Any, T]],
    *,
    on_interrupt: Callable[[], None] | None = None,
    fast_loop: bool = False,
) -> T:
    """Run ``main()`` until it ends.

    Args:
        main: creates the coroutine.
        on_interrupt: called at the first Ctrl-C instead of cancelling, so that the results so far can be kept.
        fast_loop: run on uvloop if it is installed.

    Raises:
        Interrupted: If Ctrl-C or SIGTERM ended it.
    """
    with asyncio.Runner(loop_factory=_fast_loop if fast_loop else None) as runner:
        return runner.run(_supervised(main(), on_interrupt))


def _fast_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


@contextmanager
def without_collection() -> Iterator[None]:
    """Pause the search for reference cycles, for a command that builds millions of objects and then ends.

    The collector visits all of them again and again; it takes more than half of the time of a trace of 80,000 spans.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # nor does the interpreter visit them when it ends, which would delay the end by Ctrl-C
        gc.enable()


async def _supervised(work: Awaitable[T], on_interrupt: Callable[[], None] | None) -> T:
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    received = 0

    def interrupted() -> None:
        nonlocal received
        received += 1
        if received == 1 and on_interrupt is not None:
            on_interrupt()
        elif received <= 2 and not task.cancelling():
            task.cancel()
        else:
            os._exit(130)  # the second Ctrl-C means now: no cleanup that could wait

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted)
    try:
        return await task
    except asyncio.CancelledError:
        if received:
            raise Interrupted(
                "interrupted",
                hint="run `devenv up` to continue, `devenv down` to clean up, "
                "or `devenv status` to see what is running",
            ) from None
        raise
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
