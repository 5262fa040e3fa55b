"""The current context: OpenTelemetry's own variable, accessed directly.

The functions of `opentelemetry.context` make two more calls each, which is a large part of the cost of an unsampled
request. If the program has another runtime context (OTEL_PYTHON_CONTEXT), the public functions are used.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import Any

from opentelemetry import context as otel
from opentelemetry import trace
from opentelemetry.context import Context

from devenv.tracing.light.native import speed

_log = logging.getLogger(__name__)

SPAN_KEY: str = next(iter(trace.set_span_in_context(trace.INVALID_SPAN, Context())))
"""The context's key of the current span, found through the public API."""


def _variable() -> ContextVar[Context] | None:
    found = getattr(getattr(otel, "_RUNTIME_CONTEXT", None), "_current_context", None)
    return found if isinstance(found, ContextVar) else None


_found = _variable()
if speed is not None and _found is not None:
    speed.use_context(_found, SPAN_KEY, Context)

current: Callable[[], Context] = _found.get if _found is not None else otel.get_current
"""Returns the current context."""

attach: Callable[[Context], Token[Context]] = _found.set if _found is not None else otel.attach
"""Makes a context current; returns the token for `detach`."""

_reset: Callable[[Token[Context]], Any] = _found.reset if _found is not None else otel.detach


def detach(token: Token[Context]) -> None:
    """Restore the context that was current before `attach`."""
    try:
        _reset(token)
    except ValueError:
        # A generator that the garbage collector closes ends in another context, which needs no change.
        _log.debug("detached a trace context in a different context than it was attached in", exc_info=True)


def with_value(context: Context, key: str, value: object) -> Context:
    """Return a context with one more value."""
    made = Context(context)
    dict.__setitem__(made, key, value)  # a Context rejects changes; this one is not in use yet
    return made
