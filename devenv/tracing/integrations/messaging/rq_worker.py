"""RQ's workers: what a worker does for itself has no spans, what its jobs and their callbacks do has.

A worker asks Redis for jobs and tells it that it lives, which would be roots of traces without end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from opentelemetry.context import Context
from rq.job import Job
from rq.worker import Worker

from devenv.tracing.active import state
from devenv.tracing.context.ambient import attach, current, detach
from devenv.tracing.context.suppression import audible, is_suppressed, muted
from devenv.tracing.process.ending import EXIT_TIMEOUT_S
from devenv.tracing.process.faults import fault
from devenv.tracing.process.patching import replace

SYSTEM = "rq"
_WORKING = "devenv_rq_working"
"""The context's key that says that it is a worker's own."""


def instrument_workers() -> None:
    """Trace the workers of the process, and the processes that they fork."""
    for name in ("__init__", "work", "perform_job"):
        owner = next(found for found in Worker.__mro__ if name in vars(found))
        replace(owner, name, _executing_in_worker if name == "perform_job" else _working)
    replace(next(found for found in Worker.__mro__ if "handle_exception" in vars(found)), "handle_exception", _handling)
    for name in ("success_callback", "failure_callback", "stopped_callback"):
        replace(Job, name, _make_callback)


def outside() -> Context | None:
    """Return the present context without what a worker suppresses; None outside of a worker, or after a fault."""
    try:
        context = current()
        if not context.get(_WORKING) or not is_suppressed(context):
            return None
        return audible(context)
    except Exception as error:  # noqa: BLE001 - logged
        fault(SYSTEM, error)
        return None


def run_outside(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Call a function of the program from a worker."""
    context = outside()
    if context is None:
        return function(*args, **options)
    token = attach(context)
    try:
        return function(*args, **options)
    finally:
        detach(token)


def _working(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def work(self: Any, *args: Any, **options: Any) -> Any:
        with _silent():
            return original(self, *args, **options)

    return work


def _executing_in_worker(original: Callable[..., bool]) -> Callable[..., bool]:
    @wraps(original)
    def perform_job(self: Any, *args: Any, **options: Any) -> bool:
        try:
            with _silent():
                return original(self, *args, **options)
        finally:
            _flush(self)

    return perform_job


@contextmanager
def _silent() -> Iterator[None]:
    """Run a block of the worker itself, which has no spans."""
    token = None
    try:
        token = attach(muted(current(), _WORKING))
    except Exception as error:  # noqa: BLE001 - logged
        fault(SYSTEM, error)
    try:
        yield
    finally:
        if token is not None:
            detach(token)


def _handling(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def handle_exception(self: Any, *args: Any, **options: Any) -> Any:
        return run_outside(original, self, *args, **options)

    return handle_exception


def _make_callback(original: property) -> property:
    def callback(self: Job) -> Any:
        found = original.fget(self)  # type: ignore[misc] # it has a getter
        return _carried(found) if found is not None else None

    return property(callback, original.fset, original.fdel, original.__doc__)


def _carried(callback: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(callback)
    def carried(*args: Any, **options: Any) -> Any:
        return run_outside(callback, *args, **options)

    return carried


def _flush(worker: Any) -> None:
    """Export before a forked process ends, because it ends without `atexit`."""
    try:
        tracing = state.tracing
        if tracing is not None and getattr(worker, "_is_horse", False):
            tracing.force_flush(EXIT_TIMEOUT_S)
    except Exception as error:  # noqa: BLE001 - logged
        fault(SYSTEM, error)
