"""graphql-core, and so Strawberry and Graphene: a span for each operation that is executed, none for its fields.

Name and attributes follow the semantic conventions for GraphQL servers, which are in development
(https://opentelemetry.io/docs/specs/semconv/graphql/graphql-spans/, schema 1.44.0): the span is called by the type of
the operation, because its name comes from the caller. Neither the document nor the variables are recorded. An error of
a field fails the span: each is an exception event, and `error.type` is the class of the first. A document that cannot
be parsed or is not valid is not executed, and has no span. Each event of a subscription is executed, and has one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from importlib import import_module
from inspect import isawaitable
from typing import Any

from opentelemetry.trace import INVALID_SPAN, Span, StatusCode

from devenv.tracing.light.exceptions import described
from devenv.tracing.process.faults import fault
from devenv.tracing.process.patching import replace
from devenv.tracing.spans import KINDS, SpanScope, block_of, error_type

_LIBRARY = "graphql"
_MOST_EVENTS = 16
_STRAWBERRY = "strawberry.extensions.tracing.opentelemetry"
"""The module of Strawberry's own extension: it creates spans that are not current."""


def instrument() -> None:
    """Trace every schema of the process."""
    replace(_executor(), "execute_operation", _make_execute)


def _executor() -> Any:
    """Return the class that executes an operation: it was renamed in graphql-core 3.3."""
    from graphql import execution

    try:
        return import_module("graphql.execution.executor").Executor
    except ImportError:
        return execution.ExecutionContext


def _make_execute(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def execute_operation(self: Any, *args: Any, **options: Any) -> Any:
        block = block_of(_LIBRARY, lambda: _scope(self))
        if not isinstance(block, SpanScope):
            return original(self, *args, **options)
        span = block.__enter__()
        try:
            result = original(self, *args, **options)
        except BaseException as error:
            _end(block, span, self, error)
            raise
        if isawaitable(result):
            block.pause()
            return _awaiting(result, block, span, self)
        _end(block, span, self, None)
        return result

    return execute_operation


async def _awaiting(result: Awaitable[Any], block: SpanScope, span: Span, executor: Any) -> Any:
    """Return what an operation returns that waits, in its block."""
    block.resume()
    try:
        found = await result
    except BaseException as error:
        _end(block, span, executor, error)
        raise
    _end(block, span, executor, None)
    return found


def _scope(executor: Any) -> Any:
    if _is_taken(executor):
        return INVALID_SPAN
    operation = executor.operation
    kind = operation.operation.value
    attributes = {"graphql.operation.type": kind}
    if operation.name is not None:
        attributes["graphql.operation.name"] = operation.name.value
    return SpanScope(kind, KINDS["server"], attributes)


def _is_taken(executor: Any) -> bool:
    """Whether a schema has Strawberry's own extension, which creates a span for each operation."""
    extensions = getattr(getattr(executor, "middleware_manager", None), "middlewares", None) or ()
    return any(base.__module__ == _STRAWBERRY for found in extensions for base in type(found).__mro__)


def _end(block: SpanScope, span: Span, executor: Any, error: BaseException | None) -> None:
    """End the block of an operation, with the errors of its fields and the exception that has ended it."""
    try:
        errors = list(getattr(getattr(executor, "collected_errors", executor), "errors", None) or ())
        if isinstance(error, Exception) and error not in errors:
            errors.append(error)
        if errors and span.is_recording():
            _failed(span, [getattr(found, "original_error", None) or found for found in errors])
    except Exception as own:  # noqa: BLE001 - logged
        fault(_LIBRARY, own)
    block.__exit__(None, None, None)


def _failed(span: Span, errors: list[Exception]) -> None:
    for error in errors[:_MOST_EVENTS]:
        span.record_exception(error)
    span.set_attribute("error.type", error_type(errors[0]))
    span.set_status(StatusCode.ERROR, described(errors[0]))
