"""Client spans for HTTP calls: the common part of the client integrations, and `client_span` for other clients."""

from __future__ import annotations

from collections.abc import MutableMapping
from contextvars import Token
from functools import lru_cache
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode

from devenv.tracing.active import state
from devenv.tracing.context.ambient import SPAN_KEY, attach, current, detach, with_value
from devenv.tracing.context.baggage_header import BAGGAGE_KEY
from devenv.tracing.light.shared import Shared
from devenv.tracing.light.span import LightSpan
from devenv.tracing.light.unsampled import NO_STATE, UnsampledSpan
from devenv.tracing.propagation import put
from devenv.tracing.spans import error_type, fail

_DEFAULT_PORTS = {"http": 80, "https": 443}


class ClientCall:
    """One outgoing call: its client span, started here, and the headers that make the callee a child of it.

    Below an unsampled parent there is no span, only the headers; `passive` is that parent.
    """

    __slots__ = ("context", "span")

    def __init__(self, method: str, url: str, passive: Span | None = None) -> None:
        context = current()
        if passive is not None:
            self.span: Span = passive
            self.context = context
        else:
            shared, own = _describe(method, url)
            self.span = state.open(method, context, SpanKind.CLIENT, own, None, shared)
            self.context = with_value(context, SPAN_KEY, self.span)

    def put(self, headers: MutableMapping[str, str]) -> None:
        """Set the headers of the call."""
        _put(headers, self.span, self.context)

    def answered(self, status: int) -> None:
        """Record the status of the response; 400 and above is an error for a client."""
        span = self.span
        if span.is_recording():
            span.set_attribute("http.response.status_code", status)
            if status >= 400:
                _refused(span, status)

    def failed(self, error: BaseException) -> None:
        """Record that the call ended without a response."""
        if isinstance(error, Exception):
            fail(self.span, error)
        elif self.span.is_recording():
            self.span.set_attribute("error.type", error_type(error))

    def end(self) -> None:
        """End the span, if there is one."""
        if self.span.is_recording():
            self.span.end()


class ClientSpan(ClientCall):
    """The block of `client_span`."""

    __slots__ = ("_token",)

    def __enter__(self) -> Span:
        self._token: Token[Context] = attach(self.context)
        return self.span

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        detach(self._token)
        span = self.span
        if not span.is_recording():
            return
        if exc is not None:
            self.failed(exc)
        else:
            own = span.own if isinstance(span, LightSpan) else getattr(span, "attributes", None) or {}
            status = own.get("http.response.status_code")
            if isinstance(status, int) and status >= 400:
                _refused(span, status)
        span.end()


def _refused(span: Span, status: int) -> None:
    span.set_attribute("error.type", str(status))
    span.set_status(StatusCode.ERROR)


def client_span(method: str, url: str, headers: MutableMapping[str, str] | None = None) -> ClientSpan | Span:
    """Create a client span for an HTTP call in the block, and set the context's headers in `headers`.

    Set `http.response.status_code` on the span of the block; 400 and above makes it an error.

    Args:
        method: HTTP method.
        url: Full URL; user information and secrets in the query are not recorded.
        headers: The call's headers, changed in place.
    """
    context = current()
    span: Any = context.get(SPAN_KEY)
    if span.__class__ is not UnsampledSpan or span.__class__ is not state.passing:
        passive = trace.get_current_span() if state.off else None
        call = ClientSpan(method, url, passive)
        if headers is not None:
            _put(headers, call.span, call.context)
        return call
    if headers is not None:
        if BAGGAGE_KEY in context or span.state is not NO_STATE or not state.propagator.carries_parents:
            _put(headers, span, context)
        else:
            headers["traceparent"] = span.outgoing()
    return span


def _put(headers: MutableMapping[str, str], span: Any, context: Context) -> None:
    """Do the same as `propagation.put`, with a short path for the spans of nearly all calls."""
    propagator = state.propagator
    kind = span.__class__
    if not propagator.carries_parents or (kind is not LightSpan and kind is not UnsampledSpan):
        propagator.write(headers, context)
        return
    headers["traceparent"] = span.outgoing()
    tracestate = span.state if kind is UnsampledSpan else span.trace.state
    if tracestate is not NO_STATE:
        headers["tracestate"] = tracestate.to_header()
    if propagator.carries_baggage and BAGGAGE_KEY in context:
        put(headers, context, parents=False)


def _describe(method: str, url: str) -> tuple[Shared, dict[str, Any]]:
    path_at = url.find("/", url.find("//") + 2)
    base = url if path_at < 0 else url[:path_at]
    return _shared(method, base), {"url.full": state.redactor.url(url)}


@lru_cache(maxsize=256)
def _shared(method: str, base: str) -> Shared:
    """Return the common attributes of calls to one server; `base` is a URL up to its authority."""
    parts = urlsplit(base)
    try:
        port = parts.port
    except ValueError:  # not a number: the call itself fails
        port = None
    values: dict[str, Any] = {"http.request.method": method, "server.address": parts.hostname or ""}
    port = port or _DEFAULT_PORTS.get(parts.scheme)
    if port:
        values["server.port"] = port
    return Shared(values)
