"""A span that is current for a `with` block, or for each call of a decorated function."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from opentelemetry.trace import Span, StatusCode

from devenv.tracing.context.ambient import SPAN_KEY, attach, current, detach, with_value
from devenv.tracing.context.decoration import around
from devenv.tracing.light.exceptions import described

if TYPE_CHECKING:
    from types import TracebackType

F = TypeVar("F", bound=Callable[..., Any])


class SpanBlock:
    """What `start_as_current_span` returns.

    Args:
        start: Starts the span.
        records_exceptions: Whether an exception that leaves the block becomes an event.
        fails_on_exceptions: Whether such an exception sets the status.
        ends: Whether the end of the block ends the span.
    """

    __slots__ = ("_context", "_ends", "_fails", "_records", "_span", "_start", "_token")

    def __init__(
        self, start: Callable[[], Span], records_exceptions: bool, fails_on_exceptions: bool, ends: bool
    ) -> None:
        self._start = start
        self._records = records_exceptions
        self._fails = fails_on_exceptions
        self._ends = ends

    def __enter__(self) -> Span:
        self._span = span = self._start()
        self._token = attach(with_value(current(), SPAN_KEY, span))
        return span

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        detach(self._token)
        span = self._span
        if isinstance(exc, Exception) and span.is_recording():
            if self._records:
                span.record_exception(exc)
            if self._fails:
                span.set_status(StatusCode.ERROR, described(exc))
        if self._ends:
            span.end()

    def __call__(self, function: F) -> F:
        """Decorate a function, coroutine function or generator function: each call is a block."""
        return around(function, self._another)

    def pause(self) -> None:
        """Leave the block for a while: a generator has yielded."""
        self._context = current()
        detach(self._token)

    def resume(self) -> None:
        """Enter it again."""
        self._token = attach(self._context)

    def _another(self) -> SpanBlock:
        return SpanBlock(self._start, self._records, self._fails, self._ends)
