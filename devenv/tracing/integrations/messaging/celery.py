"""Celery: a producer span for each task that is sent, and a consumer span for each execution, below it.

The spans are called `send TASK` and `process TASK`. An eager task (`apply`, `task_always_eager`) is not sent, and has
the second one only. A retry is another message, sent by the execution that asks for it. `messaging.message.id`
is the task's ID; `celery.task_name`, `celery.state` and `celery.retries` have the names that OpenTelemetry's own
instrumentation gives them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from celery import signals  # type: ignore[import-untyped] # Celery has no types
from celery.app.base import Celery  # type: ignore[import-untyped] # as above

from devenv.tracing.active import state
from devenv.tracing.integrations.messaging.message import Attributes, Block, carry, processing, producing, sent_span
from devenv.tracing.process.ending import EXIT_TIMEOUT_S
from devenv.tracing.process.faults import fault
from devenv.tracing.process.patching import replace
from devenv.tracing.process.stock import taken
from devenv.tracing.spans import block_of, current_span, fail

_SYSTEM = "celery"
_BLOCK = "_devenv_block"
"""Attribute of the request of a running task: its block, until it ends."""


def instrument() -> None:
    """Trace every application of the process, and its workers in forked processes."""
    if taken(_SYSTEM):
        return
    replace(Celery, "send_task", _sending_task)
    for signal, receiver in _RECEIVERS:
        signal.connect(receiver, weak=False, dispatch_uid=_uid(receiver))


def uninstrument() -> None:
    """Disconnect from Celery's signals; what was replaced stays."""
    for signal, receiver in _RECEIVERS:
        signal.disconnect(dispatch_uid=_uid(receiver))


def _sending_task(original: Callable[..., Any]) -> Callable[..., Any]:
    def send_task(self: Any, name: Any, *args: Any, **options: Any) -> Any:
        with block_of(_SYSTEM, lambda: producing(_SYSTEM, (str(name), {"celery.task_name": str(name)}))):
            return original(self, name, *args, **options)

    return send_task


def _publish(headers: Any = None, routing_key: Any = None, **_others: Any) -> None:
    """Add the context to the headers of a message; only here its ID and its queue are known."""
    if not isinstance(headers, dict):
        return
    carry(_SYSTEM, headers)
    try:
        span = sent_span()
        if span is not None:
            span.set_attributes(_addressed(headers.get("id"), routing_key))
    except Exception as error:  # noqa: BLE001 - logged
        fault(_SYSTEM, error)


def _addressed(message: Any, queue: Any) -> Attributes:
    found: Attributes = {}
    if message:
        found["messaging.message.id"] = str(message)
    if queue:
        found["messaging.destination.name"] = str(queue)
    return found


def _begin(task: Any = None, **_others: Any) -> None:
    """Open the block of an execution."""
    try:
        request = task.request
        block = processing(_SYSTEM, lambda: vars(request), lambda: _described(task))
        block.__enter__()
        setattr(request, _BLOCK, block)
    except Exception as error:  # noqa: BLE001 - logged
        fault(_SYSTEM, error)


def _described(task: Any) -> tuple[str, Attributes]:
    request = task.request
    found = {"celery.task_name": task.name, **_addressed(request.id, (request.delivery_info or {}).get("routing_key"))}
    if request.retries:
        found["celery.retries"] = request.retries
    return task.name, found


def _end(task: Any = None, retval: Any = None, state: Any = None, **_others: Any) -> None:
    """Close the block of an execution, with the exception that Celery has caught."""
    try:
        # Without a state an exception goes through, of an eager task that throws; the one of an outer `except` has one.
        through = sys.exc_info()[1] if state is None else None
        block: Block | None = vars(task.request).pop(_BLOCK, None)
        if block is None:
            return
        try:
            _conclude(state, retval)
        finally:
            block.__exit__(type(through) if through is not None else None, through, None)
    except Exception as error:  # noqa: BLE001 - logged
        fault(_SYSTEM, error)


def _conclude(outcome: Any, result: Any) -> None:
    span = current_span()
    if outcome:
        span.set_attribute("celery.state", str(outcome))
    if outcome == "FAILURE" and isinstance(result, Exception):
        fail(span, result)
    elif outcome == "RETRY":
        cause = getattr(result, "exc", None)
        if isinstance(cause, Exception):
            span.record_exception(cause)


def _flush(**_others: Any) -> None:
    """Export before a worker process ends, because it ends without `atexit`."""
    try:
        tracing = state.tracing
        if tracing is not None:
            tracing.force_flush(EXIT_TIMEOUT_S)
    except Exception as error:  # noqa: BLE001 - logged
        fault(_SYSTEM, error)


def _uid(receiver: Callable[..., None]) -> str:
    return f"devenv.tracing{receiver.__name__}"


_RECEIVERS: tuple[tuple[Any, Callable[..., None]], ...] = (
    (signals.before_task_publish, _publish),
    (signals.task_prerun, _begin),
    (signals.task_postrun, _end),
    (signals.worker_process_shutdown, _flush),
)
