"""OpenTelemetry's global provider and propagator: installs ours, whatever the environment says.

Importing `opentelemetry.propagate` loads what `OTEL_PROPAGATORS` names and fails if a package is missing, and
`get_tracer` does the same for `OTEL_PYTHON_TRACER_PROVIDER`. A program that never uses either must not end for that.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

from opentelemetry import trace
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace import Tracer, TracerProvider

_SDK = "opentelemetry.sdk.trace"
_LIMITS = (
    "OTEL_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_SPAN_EVENT_COUNT_LIMIT",
    "OTEL_SPAN_LINK_COUNT_LIMIT",
)
_PROPAGATORS = "OTEL_PROPAGATORS"
_BUILT_IN = frozenset({"tracecontext", "baggage", "none", ""})


def api_tracer(name: str, schema_url: str) -> Tracer:
    """Return the tracer of the global provider, also of one that is installed later; loads nothing."""
    return trace.ProxyTracerProvider().get_tracer(name, schema_url=schema_url)


def install_propagator(propagator: TextMapPropagator) -> None:
    """Install the global propagator."""
    if "opentelemetry.propagate" not in sys.modules:
        _import_propagate()
    import_module("opentelemetry.propagate").set_global_textmap(propagator)


def install_provider(provider: TracerProvider) -> None:
    """Install the global provider, also after an earlier one of ours has been shut down.

    OpenTelemetry's setter works once per process. A setup after a shutdown (tests, a reload) has to install the new
    provider, so the guard is renewed. A provider that the program installed itself is kept.
    """
    if programs_provider() is not None:
        return
    if getattr(trace, "_TRACER_PROVIDER", None) is not None:
        trace._TRACER_PROVIDER = None  # noqa: SLF001 - no public function replaces it
        trace._TRACER_PROVIDER_SET_ONCE = type(trace._TRACER_PROVIDER_SET_ONCE)()  # noqa: SLF001 - likewise
    provider._made_by_devenv = True  # type: ignore[attr-defined] # noqa: SLF001 - our own mark
    trace.set_tracer_provider(provider)


def programs_provider() -> TracerProvider | None:
    """Return the global provider that the program has installed, None without one; loads nothing."""
    found: TracerProvider | None = getattr(trace, "_TRACER_PROVIDER", None)
    return None if getattr(found, "_made_by_devenv", False) else found


def load_sdk() -> None:
    """Import the SDK's tracing, which fails if a limit in the environment is not a number.

    Raises:
        ImportError: If the SDK is not installed.
    """
    if _SDK in sys.modules:
        return
    wrong = {name: os.environ[name] for name in _LIMITS if not os.environ.get(name, "0").strip().isdigit()}
    for name in wrong:
        del os.environ[name]
    try:
        import_module(_SDK)
    finally:
        os.environ.update(wrong)


def _import_propagate() -> None:
    """Import the module without the variable if that names what may not be installed; ours replaces it anyway."""
    names = os.environ.get(_PROPAGATORS, "")
    if all(name.strip() in _BUILT_IN for name in names.split(",")):
        import_module("opentelemetry.propagate")
        return
    del os.environ[_PROPAGATORS]
    try:
        import_module("opentelemetry.propagate")
    finally:
        os.environ[_PROPAGATORS] = names
