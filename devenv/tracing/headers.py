"""`inject` and `extract`: write the context to headers and read it from headers, with the configured propagators."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any

from opentelemetry.context import Context

from devenv.tracing.active import state
from devenv.tracing.context.ambient import current


def extract(headers: Mapping[str, Any] | Iterable[tuple[Any, Any]]) -> Context:
    """Return the context that headers contain, with the configured propagators.

    Args:
        headers: A mapping (its values texts or lists of texts), a multidict, or pairs of text or bytes.
    """
    return state.propagator.read(headers.items() if isinstance(headers, Mapping) else headers)


def inject(headers: MutableMapping[str, str], context: Context | None = None) -> None:
    """Set the headers of the current (or the given) context."""
    state.propagator.write(headers, context if context is not None else current())
