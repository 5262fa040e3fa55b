"""Suppression: keys in OpenTelemetry's context that say "no spans here", set and honoured by all instrumentations.

OpenTelemetry's exporters set the first key around their posts, and a client sets the one for HTTP around the library
below it. A server's span starts a new context, so it ends what the caller has suppressed. Most calls have a
context of a span and nothing else, which is seen by its length.
"""

from __future__ import annotations

from opentelemetry import context as otel
from opentelemetry.context import Context

from devenv.tracing.context.ambient import with_value

# The API has no public names for them; the plain text is what its instrumentations set beside the first one.
_ALL: str = getattr(otel, "_SUPPRESS_INSTRUMENTATION_KEY", "suppress_instrumentation")
_ALL_PLAIN = "suppress_instrumentation"
_HTTP: str = getattr(otel, "_SUPPRESS_HTTP_INSTRUMENTATION_KEY", "suppress_http_instrumentation")


def is_suppressed(context: Context) -> bool:
    """Return whether the spans of all integrations are suppressed."""
    return bool(context.get(_ALL) or context.get(_ALL_PLAIN))


def is_http_suppressed(context: Context) -> bool:
    """Return whether the spans of HTTP clients are suppressed."""
    return bool(context.get(_HTTP) or context.get(_ALL) or context.get(_ALL_PLAIN))


def silent() -> Context:
    """Return a context in which the spans of all integrations are suppressed, for the calls of an exporter."""
    return Context({_ALL: True})


def muted(context: Context, reason: str) -> Context:
    """Return a context in which the spans of all integrations are suppressed, with a key that says by whom."""
    return with_value(with_value(context, _ALL, True), reason, True)


def audible(context: Context) -> Context:
    """Return a context in which no spans are suppressed."""
    return Context({key: value for key, value in context.items() if key not in {_ALL, _ALL_PLAIN, _HTTP}})


def without_http(context: Context, *, is_new: bool) -> Context:
    """Return a context in which the spans of HTTP clients are suppressed; the same one if it is new, not yet in use."""
    if not is_new:
        return with_value(context, _HTTP, True)
    dict.__setitem__(context, _HTTP, True)  # a Context rejects changes
    return context
