"""The span of a call that asks a broker for messages and returns them: nothing says where their processing ends.

It is a client span with a link to the span that sent each message, as the semantic conventions describe "Receive"
(https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/, schema 1.44.0). A call that returns nothing has
none: a program asks again and again. A message's headers are its parent only in a block of the program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, get_current_span

from devenv.tracing.active import state
from devenv.tracing.context.ambient import SPAN_KEY, current
from devenv.tracing.context.suppression import is_suppressed
from devenv.tracing.integrations.messaging.message import Attributes, received
from devenv.tracing.light.unsampled import RANDOM, SAMPLED, LocalTrace, new_trace_hex
from devenv.tracing.process.faults import fault

_MOST_LINKS = 128


def receiving(
    system: str,
    begun_ns: int,
    operation: str,
    headers: Callable[[], Iterable[Mapping[Any, Any] | Iterable[tuple[Any, Any]] | None]],
    describe: Callable[[], tuple[str, Attributes]],
) -> None:
    """Record the span of a call that has returned messages; does not raise.

    A root span is recorded if one of the messages' spans is, because only links lead to it.

    Args:
        system: `messaging.system`.
        begun_ns: When the call began, in nanoseconds since 1970.
        operation: `messaging.operation.name`.
        headers: Returns the headers of each message.
        describe: Returns the name in the span and further attributes.
    """
    try:
        context = current()
        if state.passive() is not None or is_suppressed(context):
            return
        links = [link for given in islice(headers(), _MOST_LINKS) if (link := _link(given)) is not None]
        name, attributes = describe()
        attributes = {
            "messaging.system": system,
            "messaging.operation.name": operation,
            "messaging.operation.type": "receive",
            **attributes,
        }
        span = _started(f"{operation} {name}".rstrip(), context, attributes, links, begun_ns)
        if span is not None:
            span.end()
    except Exception as error:  # noqa: BLE001 - logged
        fault(system, error)


def _link(given: Mapping[Any, Any] | Iterable[tuple[Any, Any]] | None) -> Link | None:
    pairs = given.items() if isinstance(given, Mapping) else given or ()
    found = get_current_span(received(pairs)).get_span_context()
    return Link(found) if found.is_valid else None


def _started(name: str, context: Context, attributes: Attributes, links: list[Link], begun_ns: int) -> Span | None:
    if not links or SPAN_KEY in context or state.light is None or state.passing is None:
        return state.tracer.start_span(name, context, SpanKind.CLIENT, attributes, links, begun_ns)
    sampled = [link for link in links if link.context.trace_flags.sampled]
    if not sampled:
        return None
    trace = LocalTrace(new_trace_hex(), RANDOM | SAMPLED)
    return state.light.record(name, Context(), SpanKind.CLIENT, 0, False, trace, attributes, sampled, begun_ns)
