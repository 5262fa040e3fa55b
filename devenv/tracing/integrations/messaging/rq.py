"""RQ: a producer span for each job that is enqueued, and a consumer span for each execution, below it.

The spans are called `send FUNCTION` and `process FUNCTION`; `messaging.message.id` is the job's ID. A job keeps the
context in its own field, beside what RQ stores of it. A job that waits (for another job, for a time) is sent later
by a worker, in the context in which it was created; a retry, in that of the execution that has failed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from rq.job import Job
from rq.queue import Queue

from devenv.tracing.context.ambient import SPAN_KEY, attach, current, detach
from devenv.tracing.integrations.messaging.message import Attributes, Block, carry, processing, producing, received
from devenv.tracing.integrations.messaging.rq_worker import SYSTEM, instrument_workers, outside, run_outside
from devenv.tracing.process.faults import fault
from devenv.tracing.process.patching import replace
from devenv.tracing.process.stock import taken
from devenv.tracing.spans import block_of

_FIELD = "devenv.trace"
"""Field of a stored job: the headers of its context, as JSON."""
_HEADERS = "_devenv_headers"
"""Attribute of a job: the same."""


def instrument() -> None:
    """Trace every queue and every worker of the process, and the processes that a worker forks."""
    if taken(SYSTEM):
        return
    replace(Queue, "create_job", _creating)
    replace(Queue, "_enqueue_job", _sending_job)
    replace(Job, "to_dict", _storing)
    replace(Job, "restore", _restoring)
    replace(Job, "perform", _executing)
    instrument_workers()


def _creating(original: Callable[..., Job]) -> Callable[..., Job]:
    def create_job(self: Queue, *args: Any, **options: Any) -> Job:
        job = original(self, *args, **options)
        _keep(job)
        return job

    return create_job


def _sending_job(original: Callable[..., Job]) -> Callable[..., Job]:
    def enqueue_job(self: Queue, job: Job, *args: Any, **options: Any) -> Job:
        token = _join(job)
        try:
            with _sent(self, job):
                _keep(job)
                return original(self, job, *args, **options)
        finally:
            if token is not None:
                detach(token)

    return enqueue_job


def _storing(original: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def to_dict(self: Job, *args: Any, **options: Any) -> dict[str, Any]:
        stored = original(self, *args, **options)
        headers = vars(self).get(_HEADERS)
        if headers:
            stored[_FIELD] = headers
        return stored

    return to_dict


def _restoring(original: Callable[..., None]) -> Callable[..., None]:
    def restore(self: Job, raw_data: Any) -> None:
        _read(self, raw_data)
        original(self, raw_data)

    return restore


def _executing(original: Callable[..., Any]) -> Callable[..., Any]:
    def perform(self: Job) -> Any:
        return run_outside(_perform, original, self)

    return perform


def _perform(original: Callable[..., Any], job: Job) -> Any:
    with processing(SYSTEM, lambda: _headers(job), lambda: _described(job, job.origin)):
        _keep(job)
        return original(job)


def _keep(job: Job) -> None:
    """Keep the present context in a job, to be stored with it; a job without one keeps what it has."""
    try:
        headers: dict[str, str] = {}
        carry(SYSTEM, headers)
        if headers:
            setattr(job, _HEADERS, json.dumps(headers))
    except Exception as error:  # noqa: BLE001 - logged
        fault(SYSTEM, error)


def _read(job: Job, stored: Mapping[Any, Any]) -> None:
    """Read the context of a stored job, whose fields are text or bytes."""
    try:
        found = stored.get(_FIELD.encode(), stored.get(_FIELD))
        if found is not None:
            setattr(job, _HEADERS, found.decode() if isinstance(found, bytes) else found)
    except Exception as error:  # noqa: BLE001 - logged
        fault(SYSTEM, error)


def _headers(job: Job) -> Mapping[str, Any]:
    try:
        found = json.loads(vars(job).get(_HEADERS) or "{}")
    except ValueError:  # stored by another program
        return {}
    return found if isinstance(found, dict) else {}


def _join(job: Job) -> Any:
    """Attach the job's own context if no span is current, as in a worker that sends a job that has waited."""
    try:
        found = received(_headers(job).items()) if SPAN_KEY not in current() else None
        found = found or outside()
        return attach(found) if found else None
    except Exception as error:  # noqa: BLE001 - logged
        fault(SYSTEM, error)
        return None


def _sent(queue: Queue, job: Job) -> Block:
    return block_of(SYSTEM, lambda: producing(SYSTEM, _described(job, queue.name)))


def _described(job: Job, queue: str) -> tuple[str, Attributes]:
    # A job that was read from Redis loads its function and arguments when it is run, and not before.
    function = vars(job).get("_func_name")
    name = function if isinstance(function, str) else queue
    return name, {"messaging.destination.name": queue, "messaging.message.id": job.id}
