"""Runs a use case on an event loop, with Ctrl-C as the contract says: once stops in order, twice stops now."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, TypeVar

from devenv.errors import Interrupted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from typing import Any

T = TypeVar("T")


def run_async(
    main: Callable[[], Coroutine[Any, Any, T]],
    *,
    on_interrupt: Callable[[], None] | None = None,
    fast_loop: bool = False,
) -> T:
    """Run ``main()`` to its end.

    Args:
        main: makes the coroutine.
        on_interrupt: called at the first Ctrl-C instead of cancelling, so that what there is can be kept.
        fast_loop: run on uvloop where it is installed.

    Raises:
        Interrupted: Ctrl-C or SIGTERM ended it.
    """
    with asyncio.Runner(loop_factory=_fast_loop if fast_loop else None) as runner:
        return runner.run(_supervised(main(), on_interrupt))


def _fast_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


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
            os._exit(130)  # the second Ctrl-C means now: nothing that could wait runs any more

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted)
    try:
        return await task
    except asyncio.CancelledError:
        if received:
            raise Interrupted(
                "interrupted", hint="devenv status shows what is there; devenv up goes on, devenv down removes it"
            ) from None
        raise
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
