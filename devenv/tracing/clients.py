"""Client spans for HTTP calls: what every client integration shares, and `client_span` for the others."""

from __future__ import annotations

from collections.abc import MutableMapping
from contextvars import Token
from functools import lru_cache
from types import TracebackType
from typing import Any, cast
from urllib.parse import urlsplit

from opentelemetry.context import Context, attach, detach, get_current
from opentelemetry.trace import Span, SpanKind, StatusCode

from devenv.tracing.active import state
from devenv.tracing.light.span import UnsampledSpan
from devenv.tracing.light.tracer import SPAN_KEY
from devenv.tracing.propagation import carry
from devenv.tracing.spans import error_type, fail

_DEFAULT_PORTS = {"http": 80, "https": 443}


class ClientCall:
    """One outgoing call: a client span and the headers that make the callee its child.

    Below an unsampled parent there is no span, only the headers.
    """

    __slots__ = ("context", "span")

    def __init__(self, method: str, url: str) -> None:
        context = get_current()
        parent = context.get(SPAN_KEY)
        if parent.__class__ is UnsampledSpan and state.cheap:
            self.span: Span = cast("Span", parent)
            self.context = context
        else:
            self.span = state.open(method, context, SpanKind.CLIENT, _attributes(method, url))
            self.context = Context({**context, SPAN_KEY: self.span})

    def headers(self) -> list[tuple[str, str]]:
        """The headers to send; `tracestate` and `baggage` only where there is something to say."""
        propagator = state.propagator
        return carry(self.context, parents=propagator.carries_parents, baggage=propagator.carries_baggage)

    def answered(self, status: int) -> None:
        """The answer's status came; 400 and above is an error for a client."""
        span = self.span
        if span.is_recording():
            span.set_attribute("http.response.status_code", status)
            if status >= 400:
                span.set_attribute("error.type", str(status))
                span.set_status(StatusCode.ERROR)

    def failed(self, error: BaseException) -> None:
        """The call ended without an answer."""
        if isinstance(error, Exception):
            fail(self.span, error)
        elif self.span.is_recording():
            self.span.set_attribute("error.type", error_type(error))

    def end(self) -> None:
        """End the span, if there is one."""
        if self.span.is_recording():
            self.span.end()


class ClientSpan:
    """`client_span`'s block."""

    __slots__ = ("_call", "_headers", "_method", "_token", "_url")

    def __init__(self, method: str, url: str, headers: MutableMapping[str, str] | None) -> None:
        self._method = method
        self._url = url
        self._headers = headers

    def __enter__(self) -> Span:
        call = self._call = ClientCall(self._method, self._url)
        if self._headers is not None:
            for name, value in call.headers():
                self._headers[name] = value
        self._token: Token[Context] = attach(call.context)
        return call.span

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        detach(self._token)
        call = self._call
        if exc is not None:
            call.failed(exc)
        elif call.span.is_recording():
            status = (getattr(call.span, "attributes", None) or {}).get("http.response.status_code")
            if isinstance(status, int):
                call.answered(status)
        call.end()


def client_span(method: str, url: str, headers: MutableMapping[str, str] | None = None) -> ClientSpan:
    """A client span for an HTTP call made in the block; the headers that carry the context are set in `headers`.

    Set `http.response.status_code` on the span that the block is given; 400 and above makes it an error.

    Args:
        method: HTTP method.
        url: Full URL; user information and secrets in its query are not recorded.
        headers: The call's headers, changed in place.
    """
    return ClientSpan(method, url, headers)


def _attributes(method: str, url: str) -> dict[str, Any]:
    address, port = _target(url.partition("?")[0].partition("#")[0].rpartition("/")[0] if url.count("/") > 2 else url)
    attributes: dict[str, Any] = {
        "http.request.method": method,
        "url.full": state.redactor.url(url),
        "server.address": address,
    }
    if port:
        attributes["server.port"] = port
    return attributes


@lru_cache(maxsize=256)
def _target(base: str) -> tuple[str, int | None]:
    parts = urlsplit(base)
    try:
        port = parts.port
    except ValueError:  # not a number: the call itself will fail and say so
        port = None
    return parts.hostname or "", port or _DEFAULT_PORTS.get(parts.scheme)
