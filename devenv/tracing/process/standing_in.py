"""Lets a program that is traced from outside install its own tracer provider, which replaces ours.

OpenTelemetry accepts one global provider per process. A program that knows nothing of devenv has to be able to install
its own, and tracers that it got before have to use that one from then on, as without devenv.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import TracerProvider


def stand_in(again: Callable[[], object]) -> None:
    """Take our provider back from being the global one, and keep it for tracers as long as the program has none.

    Args:
        again: Called after the program has installed its provider; sets tracing up again, so that spans go there.
    """
    ours: Any = getattr(trace, "_TRACER_PROVIDER", None)
    if not getattr(ours, "_made_by_devenv", False):
        return
    set_by_program = trace.set_tracer_provider
    trace._TRACER_PROVIDER = None  # noqa: SLF001 - no public function takes it back
    trace._TRACER_PROVIDER_SET_ONCE = type(trace._TRACER_PROVIDER_SET_ONCE)()  # noqa: SLF001 - likewise

    class StandIn(trace.ProxyTracer):
        """The proxy of OpenTelemetry, with a tracer of ours in place of the one that does nothing."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._noop_tracer = ours.get_tracer(*args, **kwargs)

    def set_tracer_provider(tracer_provider: TracerProvider) -> None:
        set_by_program(tracer_provider)
        installed = getattr(trace, "_TRACER_PROVIDER", None)
        if installed is tracer_provider and not getattr(tracer_provider, "_made_by_devenv", False):
            again()

    trace.ProxyTracer = StandIn  # type: ignore[misc]  # the class is replaced on purpose
    trace.set_tracer_provider = set_tracer_provider
