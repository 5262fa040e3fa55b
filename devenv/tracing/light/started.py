"""What span processors are given while a span is open: the SDK's class, over a span of the light provider."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode

from devenv.tracing.light.span import LightSpan

if TYPE_CHECKING:
    from typing_extensions import Self

_log = logging.getLogger(__name__)


class StartedSpan(Span):
    """A view of an open span; what it does not have itself is read from the span's present state in the SDK's form.

    Args:
        light: The span.
    """

    _light: LightSpan

    def __new__(cls, light: LightSpan) -> Self:  # noqa: ARG004 - the SDK's class refuses to be created otherwise
        """Create a view; the SDK's own `__new__` is for its tracer."""
        return object.__new__(cls)

    def __init__(self, light: LightSpan) -> None:
        # The SDK's fields are not created: `__getattr__` computes them when they are read.
        object.__setattr__(self, "_light", light)

    def __getattr__(self, name: str) -> Any:
        if name == "_light":  # a copy that is being made
            raise AttributeError(name)
        own = not name.startswith("_") and hasattr(self._light, name)
        return getattr(self._light if own else self._readable_span(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._light, "name" if name == "_name" else name, value)

    def __eq__(self, other: object) -> bool:
        return other is self._light or (isinstance(other, StartedSpan) and other._light is self._light)

    def __hash__(self) -> int:
        return hash(self._light)

    def _readable_span(self) -> ReadableSpan:
        found: ReadableSpan = self._light.tracer.provider.readable(self._light)
        return found

    @property
    def name(self) -> str:
        """The name so far."""
        return self._light.name

    @property
    def kind(self) -> SpanKind:
        """The kind."""
        return self._light.kind

    @property
    def context(self) -> SpanContext:
        """The span's context."""
        return self._light.get_span_context()

    @property
    def parent(self) -> SpanContext | None:
        """The parent's context, None for a root."""
        return self._light.parent

    @property
    def start_time(self) -> int:
        """The start in nanoseconds since 1970."""
        return self._light.start_time

    @property
    def end_time(self) -> int | None:
        """The end in nanoseconds since 1970, None while the span is open."""
        return self._light.end_time

    @property
    def status(self) -> Status:
        """The status so far."""
        return self._light.status

    @property
    def attributes(self) -> Mapping[str, Any]:
        """The attributes so far."""
        return self._light.attributes

    @property
    def resource(self) -> Any:
        """The resource of this process."""
        return self._light.resource

    def get_span_context(self) -> SpanContext:
        """Return the span's context."""
        return self._light.get_span_context()

    def is_recording(self) -> bool:
        """Return whether the span has not ended."""
        return self._light.is_recording()

    def start(
        self,
        start_time: int | None = None,  # noqa: ARG002 - the SDK's signature
        parent_context: Context | None = None,  # noqa: ARG002 - the SDK's signature
    ) -> None:
        """Warn: the span has been started, as that of the SDK."""
        _log.warning("span %s started twice", self.name)

    def set_attribute(self, key: str, value: Any) -> None:
        """Set one attribute."""
        self._light.set_attribute(key, value)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Set several attributes."""
        self._light.set_attributes(attributes)

    def add_event(self, name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None) -> None:
        """Add an event."""
        self._light.add_event(name, attributes, timestamp)

    def add_link(self, context: SpanContext, attributes: Mapping[str, Any] | None = None) -> None:
        """Add a link."""
        self._light.add_link(context, attributes)

    def update_name(self, name: str) -> None:
        """Rename the span."""
        self._light.update_name(name)

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Set the status."""
        self._light.set_status(status, description)

    def record_exception(
        self,
        exception: BaseException,
        attributes: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        """Add an exception as an event."""
        self._light.record_exception(exception, attributes, timestamp, escaped)

    def end(self, end_time: int | None = None) -> None:
        """End the span."""
        self._light.end(end_time)

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._light.__exit__(exc_type, exc, traceback)
