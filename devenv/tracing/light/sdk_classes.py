"""Makes `isinstance` with the SDK's classes true for the light ones, without an import of the SDK.

Its `Tracer` and `Span` are abstract classes, so others can be registered as theirs. `ReadableSpan` is not; span
processors get real ones.
"""

from __future__ import annotations

import sys
from typing import Any

from devenv.tracing.integrations.on_import import when_imported
from devenv.tracing.light.span import LightSpan
from devenv.tracing.light.tracer import LightTracer

_SDK = "opentelemetry.sdk.trace"


def register_when_imported() -> None:
    """Register the light classes as the SDK's, now or as soon as the program imports it."""
    when_imported(_SDK, "the classes of the SDK", _register)


def _register() -> None:
    sdk: Any = sys.modules[_SDK]
    sdk.Span.register(LightSpan)
    sdk.Tracer.register(LightTracer)
