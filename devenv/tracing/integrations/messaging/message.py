"""What the integrations of messaging share: the spans of sending and of processing a message.

Attributes and names follow the messaging semantic conventions, which are in development
(https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/, schema 1.44.0): a producer span `send NAME`,
whose context goes out in the message's headers, and a consumer span `process NAME` as its child. NAME is the
destination; for a task queue it is the task or function, because one queue holds all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping
from typing import Any, Union

from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind

from devenv.tracing.active import state
from devenv.tracing.context.ambient import SPAN_KEY, current
from devenv.tracing.context.suppression import is_suppressed
from devenv.tracing.headers import extract
from devenv.tracing.process.faults import fault
from devenv.tracing.queues import Consumption
from devenv.tracing.spans import SpanScope

Block = Union[SpanScope, Consumption, Span]
"""What surrounds a call of the program: a span that is not recorded is a block that does nothing."""

Attributes = dict[str, Any]

_W3C = frozenset({"traceparent", "tracestate", "baggage"})


def sending(system: str, describe: Callable[[], tuple[str, Attributes]], operation: str = "send") -> Block:
    """Return the block of sending a message; does not raise.

    Args:
        system: `messaging.system`.
        describe: Returns the name in the span and further attributes; called only if there is a span.
        operation: `messaging.operation.name`.
    """
    try:
        idle = state.passive()
        if idle is not None:
            return idle
        if is_suppressed(current()):
            return INVALID_SPAN
        name, attributes = describe()
        common = _operation(system, operation, "send")
        return SpanScope(f"{operation} {name}".rstrip(), SpanKind.PRODUCER, {**common, **attributes})
    except Exception as error:  # noqa: BLE001 - logged
        fault(system, error)
        return INVALID_SPAN


def processing(
    system: str,
    headers: Iterable[tuple[Any, Any]],
    describe: Callable[[], tuple[str, Attributes]],
    operation: str = "process",
) -> Block:
    """Return the block of processing a message, below the span that sent it; does not raise.

    A message without a context is processed in the present one.

    Args:
        system: `messaging.system`.
        headers: The message's headers; values that are neither text nor bytes are left alone.
        describe: As for `sending`.
        operation: As for `sending`.
    """
    try:
        found = received(headers) or current()
        if state.off and not found:
            return INVALID_SPAN
        if is_suppressed(current()):
            return INVALID_SPAN
        name, attributes = describe()
        common = _operation(system, operation, "process")
        scope = SpanScope(f"{operation} {name}".rstrip(), SpanKind.CONSUMER, {**common, **attributes})
        return Consumption(scope, found)
    except Exception as error:  # noqa: BLE001 - logged
        fault(system, error)
        return INVALID_SPAN


def received(headers: Iterable[tuple[Any, Any]]) -> Context:
    """Return the context in a message's headers, empty without one."""
    texts = [(key, value) for key, value in headers if isinstance(key, str) and isinstance(value, (str, bytes))]
    if state.propagator.foreign is None:  # a task's message has some twenty fields that are none of these
        texts = [pair for pair in texts if pair[0].lower() in _W3C]
    return extract(texts) if texts else Context()


def carry(system: str, headers: MutableMapping[str, Any]) -> None:
    """Set the present context in a message's headers; does not raise."""
    try:
        context = current()
        if context:
            state.propagator.write(headers, context)
    except Exception as error:  # noqa: BLE001 - logged
        fault(system, error)


def sent_span() -> Span | None:
    """Return the span of the message that is being sent, None if it has none that is recorded."""
    span: Any = current().get(SPAN_KEY)
    kind = getattr(span, "kind", None)
    return span if kind is SpanKind.PRODUCER and span.is_recording() else None


def _operation(system: str, name: str, kind: str) -> Attributes:
    return {"messaging.system": system, "messaging.operation.name": name, "messaging.operation.type": kind}
