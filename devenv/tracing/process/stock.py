"""OpenTelemetry's own instrumentations: if one of them is active, ours steps aside."""

from __future__ import annotations

import sys


def taken(library: str) -> bool:
    """Whether OpenTelemetry's own instrumentation of a library is active, and creates its spans instead of ours."""
    module = sys.modules.get(f"opentelemetry.instrumentation.{library}")
    names = vars(module) if module is not None else {}
    makers = [found for name, found in names.items() if name.endswith("Instrumentor") and name != "BaseInstrumentor"]
    return any(getattr(maker(), "is_instrumented_by_opentelemetry", False) is True for maker in makers)
