"""The current context: OpenTelemetry's own variable, reached directly.

`opentelemetry.context`'s functions go through two more calls each, which is a good part of what an unsampled request
costs. Where the program has another runtime context (OTEL_PYTHON_CONTEXT), the public functions are used.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import Any

from opentelemetry import context as otel
from opentelemetry.context import Context

_log = logging.getLogger(__name__)


def _variable() -> ContextVar[Context] | None:
    found = getattr(getattr(otel, "_RUNTIME_CONTEXT", None), "_current_context", None)
    return found if isinstance(found, ContextVar) else None


_found = _variable()

current: Callable[[], Context] = _found.get if _found is not None else otel.get_current
"""The current context."""

attach: Callable[[Context], Token[Context]] = _found.set if _found is not None else otel.attach
"""Make a context current; gives the token for `detach`."""

_reset: Callable[[Token[Context]], Any] = _found.reset if _found is not None else otel.detach


def detach(token: Token[Context]) -> None:
    """Make the context current again that was so before `attach`."""
    try:
        _reset(token)
    except ValueError:
        # A generator that is closed by the garbage collector ends in another context, where there is nothing to undo.
        _log.debug("a context was left in another one than it was entered in", exc_info=True)


def with_value(context: Context, key: str, value: object) -> Context:
    """A context with one more value."""
    made = Context(context)
    dict.__setitem__(made, key, value)  # a Context refuses changes by itself; this one is not in use yet
    return made
