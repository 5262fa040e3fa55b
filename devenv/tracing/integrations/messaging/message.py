"""What the integrations of messaging share: the spans of sending and of processing a message.

Attributes and names follow the messaging semantic conventions, which are in development
(https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/, schema 1.44.0): a producer span `send NAME`,
whose context goes out in the message's headers, and a consumer span `process NAME` as its child. NAME is the
destination; for a task queue it is the task or function, because one queue holds all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping
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


def producing(system: str, described: tuple[str, Attributes], operation: str = "send") -> SpanScope:
    """Return the span of sending a message, for `block_of`.

    Args:
        system: `messaging.system`.
        described: The name in the span and further attributes.
        operation: `messaging.operation.name`.
    """
    return _scope(system, operation, "send", SpanKind.PRODUCER, described)


def processing(
    system: str,
    headers: Callable[[], Mapping[Any, Any] | Iterable[tuple[Any, Any]] | None],
    describe: Callable[[], tuple[str, Attributes]],
    operation: str = "process",
) -> Block:
    """Return the block of processing a message, below the span that sent it; does not raise.

    A message without a context is processed in the present one.

    Args:
        system: `messaging.system`.
        headers: Returns the message's headers; values that are neither text nor bytes are left alone.
        describe: Returns the name in the span and further attributes; called only if there is a span.
        operation: As for `producing`.
    """
    try:
        given = headers() or ()
        found = received(given.items() if isinstance(given, Mapping) else given) or current()
        if (state.off and not found) or is_suppressed(current()):
            return INVALID_SPAN
        return Consumption(_scope(system, operation, "process", SpanKind.CONSUMER, describe()), found)
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


def _scope(system: str, operation: str, kind: str, span_kind: SpanKind, described: tuple[str, Attributes]) -> SpanScope:
    name, attributes = described
    common = {"messaging.system": system, "messaging.operation.name": operation, "messaging.operation.type": kind}
    return SpanScope(f"{operation} {name}".rstrip(), span_kind, {**common, **attributes})
