"""Types of a span's tracer and its provider: what spans and tracers use of them, without an import of their modules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import SpanProcessor

    from devenv.tracing.light.decision import Decider
    from devenv.tracing.settings import Settings

Scope = tuple[str, str, str, Mapping[str, Any]]
"""An instrumentation scope: name, version, schema URL, attributes."""


class Provider(Protocol):
    """What a tracer and its spans use of `LightProvider`; spans are `Any` because their module imports this one."""

    settings: Settings
    decider: Decider
    processors: tuple[SpanProcessor, ...]
    watched: bool
    random: int
    has_own_ids: bool

    def sink(self, span: Any, /) -> None:
        """Accept an ended sampled span for export."""

    def new_trace(self) -> str:
        """Return a new trace ID as 32 hexadecimal digits."""

    @property
    def resource(self) -> Any:
        """The SDK's `Resource` of this process."""

    def readable(self, span: Any) -> Any:
        """Return the SDK's form of a span."""

    def begun(self, span: Any, context: Context | None) -> None:
        """Tell the additional processors of a new span."""

    def finish(self, span: Any, end_time: int) -> None:
        """End a span of a provider with additional processors."""

    def count_surplus(self) -> None:
        """Count a span beyond its trace's limit."""


class Owner(Protocol):
    """What a span uses of the `LightTracer` that started it."""

    provider: Provider
    limits: Settings
    roomy: bool
    scope: Scope
