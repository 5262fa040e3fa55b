"""Propagates the context to asyncio tasks, threads and executors."""

from __future__ import annotations

import contextvars
import functools
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from opentelemetry.context import Context

from devenv.tracing.context.ambient import attach, current, detach
from devenv.tracing.headers import extract
from devenv.tracing.process.versions import ParamSpec

if TYPE_CHECKING:
    import asyncio  # a program without a loop does not need it

P = ParamSpec("P")
R = TypeVar("R")

_running: set[asyncio.Task[Any]] = set()


def capture() -> Context:
    """Return the current context, to attach it elsewhere in this process."""
    return current()


@contextmanager
def attached(carrier: Context | Mapping[str, Any]) -> Iterator[None]:
    """Make a captured context, or the context in headers, current for a block."""
    token = attach(carrier if isinstance(carrier, Context) else extract(carrier))
    try:
        yield
    finally:
        detach(token)


def create_task(
    coro: Coroutine[Any, Any, R], *, name: str | None = None, context: Context | None = None
) -> asyncio.Task[R]:
    """Start a task in the current (or the given) context; a reference keeps the task alive until it ends.

    The task may outlive the request: its spans stay children of the span that was current here.
    """
    import asyncio

    variables = contextvars.copy_context()
    if context is not None:
        variables.run(attach, context)
    start = asyncio.get_running_loop().create_task
    if sys.version_info >= (3, 11):
        task = start(coro, name=name, context=variables)
    else:  # a task copies the context that it is created in
        task = variables.run(start, coro, name=name)
    _running.add(task)
    task.add_done_callback(_running.discard)
    return task


async def run_in_thread(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a blocking function in the loop's default executor, in the current context."""
    import asyncio

    return await asyncio.to_thread(function, *args, **kwargs)


def wrap(function: Callable[P, R], context: Context | None = None) -> Callable[P, R]:
    """Return a function that runs in the present context, for thread pools, threads and callbacks."""
    captured = context if context is not None else current()

    @functools.wraps(function)
    def carried(*args: P.args, **kwargs: P.kwargs) -> R:
        token = attach(captured)
        try:
            return function(*args, **kwargs)
        finally:
            detach(token)

    return carried
