"""Measures the statements and commands of databases."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token
from time import perf_counter
from types import TracebackType
from typing import Any

from opentelemetry.trace import INVALID_SPAN, Span, SpanKind

from devenv.tracing import sql
from devenv.tracing.active import state
from devenv.tracing.databases.failures import response_code
from devenv.tracing.light.shared import Shared
from devenv.tracing.metrics.instruments import DATABASE, Values
from devenv.tracing.process.faults import fault
from devenv.tracing.process.patching import replace
from devenv.tracing.spans import SpanScope, error_type
from devenv.tracing.sql import StatementScope

_PLACE = "the duration of a statement"
_OF_STATEMENT = DATABASE.keys[:-2]
"""The keys of a statement; the last two are those of its failure."""
_MOST_KNOWN = 1024

# Whether a statement that is measured and not recorded is being executed: one that goes through several libraries is
# measured once. Of a recorded one, the current span says so.
inside: ContextVar[bool] = ContextVar("devenv.tracing.statement", default=False)


def install() -> None:
    """Measure each statement that our integrations trace."""
    replace(sql, "new_scope", _measuring)


def _measuring(original: Callable[..., SpanScope | Span]) -> Callable[..., SpanScope | Span]:
    def new_scope(
        name: str, kind: SpanKind, own: dict[str, Any] | None, links: None, shared: Shared
    ) -> SpanScope | Span:
        if state.meter is None:
            return original(name, kind, own, links, shared)
        above = state.passive()
        if inside.get():
            return above or INVALID_SPAN
        if above is not None:
            return UnrecordedStatement(above, shared)
        return MeasuredStatement(name, kind, own, links, shared)

    return new_scope


class MeasuredStatement(StatementScope):
    """A statement that is measured, and recorded by the decision on its span."""

    __slots__ = ("_began", "_mark")

    def __enter__(self) -> Span:
        span = super().__enter__()
        self._mark = None if span.is_recording() else inside.set(True)
        self._began = perf_counter()
        return span

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        seconds = perf_counter() - self._began
        super().__exit__(exc_type, exc, traceback)
        _leave(self._mark)
        _record(self._shared, seconds, exc)

    def pause(self) -> None:
        """Leave the block for a while."""
        _leave(self._mark)
        super().pause()

    def resume(self) -> None:
        """Enter it again."""
        super().resume()
        if self._mark is not None:
            self._mark = inside.set(True)


class UnrecordedStatement(SpanScope):
    """A statement that is measured below a span that is not recorded.

    Args:
        above: That span.
        shared: The statement's attributes.
    """

    __slots__ = ("_began", "_mark")

    def __init__(self, above: Span, shared: Shared) -> None:
        self._span = above
        self._shared = shared

    def __enter__(self) -> Span:
        self._mark = inside.set(True)
        self._began = perf_counter()
        return self._span

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        seconds = perf_counter() - self._began
        _leave(self._mark)
        _record(self._shared, seconds, exc)

    def pause(self) -> None:
        """Leave the block for a while."""
        _leave(self._mark)

    def resume(self) -> None:
        """Enter it again."""
        self._mark = inside.set(True)


def _leave(mark: Token[bool] | None) -> None:
    if mark is None:
        return
    try:
        inside.reset(mark)
    except Exception:  # noqa: BLE001 - a generator that the garbage collector closes ends in another context
        inside.set(False)


def _record(shared: Shared | None, seconds: float, error: BaseException | None) -> None:
    """Record a duration; does not raise."""
    try:
        meter = state.meter
        if meter is None or shared is None:
            return
        values = _known.get(shared) or values_of(shared)
        if error is not None and not isinstance(error, GeneratorExit):
            values = (*values[:-2], response_code(error) or None, error_type(error))
        meter.database(values, seconds)
    except Exception as own:  # noqa: BLE001 - logged; the program gets its own error
        fault(_PLACE, own)


def values_of(shared: Shared) -> Values:
    """Return the values of a statement's attributes, with none of a failure; kept, as its shared attributes are."""
    known = _known.get(shared)
    if known is not None:
        return known
    found = (*map(shared.values.get, _OF_STATEMENT), None, None)
    if len(_known) >= _MOST_KNOWN:
        _known.clear()
    _known[shared] = found
    return found


_known: dict[Shared, Values] = {}
