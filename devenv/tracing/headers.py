"""`inject` and `extract`: write the context to headers and read it from headers, with the configured propagators."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any

from opentelemetry.context import Context

from devenv.tracing.active import state
from devenv.tracing.context.ambient import current
from devenv.tracing.propagation import put, values, with_baggage, with_parent


def extract(headers: Mapping[str, Any] | Iterable[tuple[Any, Any]]) -> Context:
    """Return the context that headers contain, with the configured propagators.

    Args:
        headers: A mapping (its values texts or lists of texts), a multidict, or pairs of text or bytes.
    """
    pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
    context = Context()
    if state.propagator.carries_parents:
        context = with_parent(context, values(pairs, "traceparent"), values(pairs, "tracestate"))
    return with_baggage(context, values(pairs, "baggage")) if state.propagator.carries_baggage else context


def inject(headers: MutableMapping[str, str], context: Context | None = None) -> None:
    """Set the headers of the current (or the given) context."""
    propagator = state.propagator
    found = context if context is not None else current()
    put(headers, found, parents=propagator.carries_parents, baggage=propagator.carries_baggage)
