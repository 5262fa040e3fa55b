"""The block in which a server runs the code of one request."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from opentelemetry.context import Context

from devenv.tracing.context.ambient import attach, detach


class Serving:
    """A context that is current for a `with` block, and what is to be done at its end.

    Args:
        context: The context.
        end: Called after the block with the exception that has left it, None without one; must not raise.
    """

    __slots__ = ("_context", "_end", "_token")

    def __init__(self, context: Context, end: Callable[[BaseException | None], None]) -> None:
        self._context = context
        self._end = end

    def __enter__(self) -> None:
        self._token = attach(self._context)

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        detach(self._token)
        self._end(exc)
