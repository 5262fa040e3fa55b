"""Business spans: `span`, `traced`, and functions on the current span."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, TypeVar, Union

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, StatusCode

from devenv.tracing.active import state
from devenv.tracing.context.ambient import SPAN_KEY, attach, current, detach, with_value
from devenv.tracing.context.decoration import around
from devenv.tracing.context.suppression import is_suppressed
from devenv.tracing.light.exceptions import described, type_name
from devenv.tracing.light.native import quick
from devenv.tracing.light.shared import Shared
from devenv.tracing.light.span import LightSpan
from devenv.tracing.light.unsampled import UnsampledSpan
from devenv.tracing.light.values import as_text, clean, copied
from devenv.tracing.process.faults import fault
from devenv.tracing.process.versions import ParamSpec

P = ParamSpec("P")
R = TypeVar("R")
B = TypeVar("B", bound="SpanScope")

KINDS: Mapping[str, SpanKind] = {kind.name.lower(): kind for kind in SpanKind}
Linkable = Union[Link, Span, SpanContext, Context]


class SpanScope:
    """A span that is current in a `with` block; an exception that leaves the block is recorded and fails it."""

    __slots__ = ("_attributes", "_context", "_kind", "_links", "_name", "_shared", "_span", "_token")

    def __init__(
        self,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, Any] | None = None,
        links: Iterable[Linkable] | None = None,
        shared: Shared | None = None,
    ) -> None:
        self._name = name
        self._kind = kind
        self._attributes = attributes
        self._links = links
        self._shared = shared

    def __enter__(self) -> Span:
        context = current()
        try:
            given = self._attributes
            own = copied(given) if given is not None else {}
            links = [as_link(item) for item in self._links] if self._links else None
            span = state.open(self._name, context, self._kind, own, links, self._shared)
            context = with_value(context, SPAN_KEY, span)
        except Exception as error:  # noqa: BLE001 - logged; the block runs without a span
            fault("a block", error)
            span = trace.INVALID_SPAN
        self._span = span
        self._token = attach(context)
        return span

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        detach(self._token)
        try:
            if exc is not None:
                self._broken(exc)
            self._span.end()
        except Exception as error:  # noqa: BLE001 - logged; the program gets its own exception
            fault("the end of a block", error)

    def _broken(self, exc: BaseException) -> None:
        if isinstance(exc, Exception):
            fail(self._span, exc)
        elif self._kind is SpanKind.CLIENT and not isinstance(exc, GeneratorExit):
            interrupted(self._span, exc)

    def pause(self) -> None:
        """Leave the block for a while: a generator has yielded."""
        self._context = current()
        detach(self._token)

    def resume(self) -> None:
        """Enter it again."""
        self._token = attach(self._context)


@quick
def span(
    name: str,
    *,
    kind: str = "internal",
    attributes: Mapping[str, Any] | None = None,
    links: Iterable[Linkable] | None = None,
) -> SpanScope | Span:
    """Create a span for a `with` block, in synchronous or asynchronous code.

    Below an unsampled parent no span is created, and the block gets a non-recording one.

    Args:
        name: The operation, without IDs (`charge card`, not `charge card 4711`).
        kind: `internal`, `server`, `client`, `producer` or `consumer`.
        attributes: Attributes from the start.
        links: Spans, span contexts or captured contexts that caused this span and are not its parent.

    Raises:
        KeyError: If the kind is unknown.
    """
    return state.passive() or SpanScope(name, KINDS[kind], attributes, links)


def block_of(library: str, make: Callable[[], B]) -> B | Span:
    """Return the block of a call of a library, for its integration; does not raise.

    Below an unsampled span, or where spans are suppressed, the block does nothing.

    Args:
        library: The library, for the log of a fault.
        make: Returns the block of a call that gets a span.
    """
    try:
        idle = state.passive()
        if idle is not None:
            return idle
        return trace.INVALID_SPAN if is_suppressed(current()) else make()
    except Exception as error:  # noqa: BLE001 - logged
        fault(library, error)
        return trace.INVALID_SPAN


def traced(
    name: str | None = None, /, *, kind: str = "internal", **attributes: Any
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a function, coroutine function or generator function: each call becomes a span, to the end of its body.

    Args:
        name: The span's name. Default: the function's qualified name.
        kind: As for `span`.
        **attributes: Attributes of each span; write a dotted name with `__` (`user__id` is `user.id`).
    """
    span_kind = KINDS[kind]
    shared = Shared({key.replace("__", "."): clean(value) for key, value in attributes.items()})

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        title = name or getattr(function, "__qualname__", None) or as_text(function)

        def block() -> SpanScope | None:
            return None if state.passive() is not None else SpanScope(title, span_kind, shared=shared)

        return around(function, block)

    return decorate


def current_span() -> Span:
    """Return the current span, or a non-recording span if there is none."""
    span: Any = current().get(SPAN_KEY)
    kind = span.__class__
    known = kind is UnsampledSpan or kind is LightSpan  # isinstance on an abstract class is slower than the rest
    return span if known or isinstance(span, Span) else trace.INVALID_SPAN


@quick
def current_ids() -> tuple[str, str]:
    """Return the IDs of the current trace and span in hexadecimal, for log lines; empty if there are none.

    Below an unsampled parent there is a trace ID, but no span ID that could be found.
    """
    span: Any = current().get(SPAN_KEY)
    kind = span.__class__
    if kind is UnsampledSpan:
        return span.hex, ""
    if kind is LightSpan:
        return span.trace.hex, span.span_id.to_bytes(8, "big").hex()
    if span is None:
        return "", ""
    context = current_span().get_span_context()
    return (f"{context.trace_id:032x}", f"{context.span_id:016x}") if context.is_valid else ("", "")


@quick
def add_event(name: str, attributes: Mapping[str, Any] | None = None) -> None:
    """Add an event to the current span."""
    current_span().add_event(name, attributes)


@quick
def set_attributes(attributes: Mapping[str, Any] | None = None, /, **more: Any) -> None:
    """Set attributes of the current span."""
    current_span().set_attributes({**(attributes or {}), **more} if more else attributes or {})


def record_exception(exception: BaseException) -> None:
    """Record a handled exception on the current span; its status does not change."""
    current_span().record_exception(exception)


def set_status_error(description: str = "") -> None:
    """Mark the current span as failed."""
    current_span().set_status(StatusCode.ERROR, description or None)


def fail(span: Span, exception: BaseException) -> None:
    """Record an exception that ends a span, and mark the span as failed."""
    if span.is_recording():
        span.record_exception(exception)
        span.set_attribute("error.type", error_type(exception))
        span.set_status(StatusCode.ERROR, described(exception))


def interrupted(span: Span, exception: BaseException) -> None:
    """Mark a call as failed that did not end by itself: its task was cancelled, or the program is interrupted."""
    if span.is_recording():
        span.set_attribute("error.type", error_type(exception))
        span.set_status(StatusCode.ERROR, type(exception).__name__)


def error_type(exception: BaseException) -> str:
    """`error.type` of an exception: its qualified class name."""
    return type_name(exception)


def as_link(item: Linkable) -> Link:
    """Return a link to a span, a span context or a captured context."""
    if isinstance(item, Link):
        return item
    if isinstance(item, SpanContext):
        return Link(item)
    if isinstance(item, Span):
        return Link(item.get_span_context())
    return Link(trace.get_current_span(item).get_span_context())
