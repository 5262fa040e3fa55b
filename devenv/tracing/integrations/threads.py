"""Threads and executors: work runs in the context that was current when it was submitted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from devenv.tracing.context.ambient import attach, current, detach
from devenv.tracing.process.faults import fault
from devenv.tracing.process.patching import replace
from devenv.tracing.process.versions import ParamSpec
from devenv.tracing.tasks import wrap

P = ParamSpec("P")
R = TypeVar("R")


class TracedExecutor(ThreadPoolExecutor):
    """A thread pool that propagates the context."""

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Submit work in the current context."""
        return super().submit(_carried(fn), *args, **kwargs)


def instrument() -> None:
    """Propagate the context to every `ThreadPoolExecutor` and every `threading.Thread` of the process."""
    replace(ThreadPoolExecutor, "submit", _submit)
    replace(threading.Thread, "start", _start)


def _submit(original: Callable[..., Future[Any]]) -> Callable[..., Future[Any]]:
    def submit(self: ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return original(self, _carried(fn), *args, **kwargs)

    return submit


def _carried(function: Callable[P, R]) -> Callable[P, R]:
    """Return the function in the present context; the function itself if it cannot be wrapped."""
    try:
        return wrap(function)
    except Exception as error:  # noqa: BLE001 - logged
        fault("an executor", error)
        return function


def _start(original: Callable[..., None]) -> Callable[..., None]:
    def start(self: threading.Thread) -> None:
        _carry(self)
        original(self)

    return start


def _carry(thread: threading.Thread) -> None:
    """Let a thread run in the present context, if there is one."""
    try:
        captured = current()
        if captured:
            run = thread.run

            def carried() -> None:
                token = attach(captured)
                try:
                    run()
                finally:
                    detach(token)

            thread.run = carried  # type: ignore[method-assign] # a subclass's run is kept inside
    except Exception as error:  # noqa: BLE001 - logged
        fault("a thread", error)
