"""Client spans for HTTP calls: the common part of the client integrations, and `client_span` for other clients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from contextvars import ContextVar, Token
from functools import lru_cache
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode

from devenv.tracing.active import state
from devenv.tracing.context.ambient import SPAN_KEY, attach, current, detach, with_value
from devenv.tracing.context.baggage_header import BAGGAGE_KEY
from devenv.tracing.context.suppression import is_http_suppressed, without_http
from devenv.tracing.light.native import quick
from devenv.tracing.light.shared import Shared
from devenv.tracing.light.span import LightSpan
from devenv.tracing.light.unsampled import NO_STATE, UnsampledSpan
from devenv.tracing.process.faults import fault
from devenv.tracing.process.http_names import UNKNOWN_METHOD, method_attributes
from devenv.tracing.propagation import put
from devenv.tracing.spans import error_type, fail

C = TypeVar("C", bound="ClientCall")

DEFAULT_PORTS = {"http": 80, "https": 443}
Connected = Callable[[Any], "tuple[str, Any]"]
"""Returns the version of HTTP and the socket's peer (None if it is not known) of a library's response."""
RESENT = frozenset({301, 302, 303, 307, 308, 401, 407})
"""The statuses after which a library may send a request, or a copy of it, again: redirects and challenges."""
SENDS = "_devenv_tracing_sends"
"""Attribute of a library's request: how many times it, or what it is a copy of, has been sent."""


def note_sends(library: str, request: Any, sends: int) -> None:
    """Note in a library's request how many times it has been sent; does not raise."""
    try:
        setattr(request, SENDS, sends)
    except Exception as error:  # noqa: BLE001 - logged; such as a class with other rules for its attributes
        fault(library, error)


class ClientCall:
    """One outgoing call: its client span, and the context in which the callee is a child of it. No method raises.

    Args:
        span: The span; below an unsampled parent, that parent.
        context: The context with this span.

    Attributes:
        watched: Whether each time that the library sends the request counts, although its span is not recorded.
    """

    __slots__ = ("context", "span")
    watched = False

    def __init__(self, span: Span, context: Context) -> None:
        self.span = span
        self.context = context

    def below(self) -> Context:
        """Return the context for the library below, whose clients must not create a second span for the call."""
        try:
            context = self.context
            return without_http(context, is_new=context is not current())
        except Exception as error:  # noqa: BLE001 - logged
            fault("a call", error)
            return self.context

    def answered(
        self,
        status: int,
        headers: Mapping[str, str] | None = None,
        connected: Connected | None = None,
        response: Any = None,
    ) -> None:
        """Record the response: its status, of which 400 and above is an error for a client, and captured headers.

        Args:
            status: The status.
            headers: The response's headers.
            connected: Reads the connection of `response`; called only if the call is recorded.
            response: What `connected` reads.
        """
        try:
            span = self.span
            if span.__class__ is not UnsampledSpan and span.is_recording():  # the class: most calls, for less
                span.set_attribute("http.response.status_code", status)
                if headers is not None and state.client_headers is not None:
                    span.set_attributes(state.client_headers.response(headers.items()))
                if status >= 400:
                    _refused(span, status)
                if connected is not None:
                    _set_connection(span, *connected(response))
        except Exception as error:  # noqa: BLE001 - logged
            fault("the response of a call", error)

    def failed(self, error: BaseException, peer: Any = None) -> None:
        """Record that the call ended without a response.

        Args:
            error: The exception.
            peer: The peer of the socket, if the call had one.
        """
        try:
            if peer is not None and self.span.is_recording():
                _set_connection(self.span, "", peer)
            if isinstance(error, Exception):
                fail(self.span, error)
            elif self.span.is_recording():
                self.span.set_attribute("error.type", error_type(error))
        except Exception as own:  # noqa: BLE001 - logged; the program gets its own error
            fault("the error of a call", own)

    def end(self, at: int | None = None) -> None:
        """End the span, if there is one.

        Args:
            at: The time of the end in nanoseconds since the epoch. Default: now.
        """
        try:
            span = self.span
            if span.__class__ is not UnsampledSpan and span.is_recording():
                span.end(at)
        except Exception as error:  # noqa: BLE001 - logged
            fault("the end of a call", error)


NO_CALL = ClientCall(trace.INVALID_SPAN, Context())
"""A call without a span and without headers."""


class Sending:
    """A recorded request on its way, which the library below may send again: each time is another call.

    Args:
        library: As for `begin_call`.
        call: The first call.
        resends: How many times the request has been sent before.

    Attributes:
        call: The call that is sent now.
        resends: How many times the request has been sent before this call.
        peer: The peer of the socket, if it is known.
        version: The version of HTTP, empty before there is a response.
    """

    __slots__ = ("_before", "_context", "_library", "call", "peer", "resends", "version")

    def __init__(self, library: str, call: ClientCall, resends: int = 0) -> None:
        self._library = library
        self._context = current()
        self._before = resends
        self.call = call
        self.resends = resends
        self.peer: Any = None
        self.version = ""

    def again(self, method: str, url: object, headers: MutableMapping[str, str], number: int) -> Token[Context]:
        """Start the call that sends the request again, after the one before has been finished; does not raise.

        Args:
            method: HTTP method.
            url: As for `begin_call`.
            headers: The headers, changed in place.
            number: How many times the library has sent the request again, this time included.

        Returns:
            The token of the context of the call, for `detach`.
        """
        self.call.end()
        self.peer, self.version = None, ""
        self.resends = self._before + number
        token = attach(self._context)
        self.call = begin_call(self._library, method, url, headers, self.resends)
        detach(token)
        return attach(self.call.below() if self.call is not NO_CALL else self._context)


def sending_of(library: str, call: ClientCall, resends: int = 0) -> Sending | None:
    """Return a recorded call as a request that may be sent again, None if it is not recorded; does not raise."""
    try:
        return Sending(library, call, resends) if call.watched or call.span.is_recording() else None
    except Exception as error:  # noqa: BLE001 - logged
        fault(library, error)
        return None


sending: ContextVar[Sending | None] = ContextVar("devenv.tracing.sending", default=None)
"""The recorded request that a library sends through urllib3."""


def begin_call(
    library: str, method: str, url: object, headers: MutableMapping[str, str], resends: int = 0
) -> ClientCall:
    """Start the client span of a call and set the context's headers; does not raise.

    Args:
        library: The library's name in warnings; its calls to excluded URLs are not traced.
        method: HTTP method.
        url: Full URL; read with `str`, and only if the call is recorded.
        headers: The call's headers, changed in place.
        resends: How many times the library has sent the request before, for redirects, authorization, retries.

    Returns:
        The call; `NO_CALL` if the spans of HTTP clients are suppressed, or if tracing failed.
    """
    call = NO_CALL
    try:
        if library in state.excluded and state.excluded[library].search(str(url)):
            return NO_CALL
        context = current()
        if state.off and not context:
            return NO_CALL
        if (len(context) == 1 and SPAN_KEY in context) or not is_http_suppressed(context):
            call = open_call(method, url, context, ClientCall)
            if resends:
                call.span.set_attribute("http.request.resend_count", resends)
            if state.client_headers is not None:
                call.span.set_attributes(state.client_headers.request(headers.items()))
            _put(headers, call.span, call.context)
    except Exception as error:  # noqa: BLE001 - logged
        fault(library, error)
    return call


def open_call(method: str, url: object, context: Context, kind: type[C]) -> C:
    """Return the call, with its span; metrics replace this function by one that measures the call, too."""
    passive = state.passive()
    if passive is not None:
        return kind(passive, context)
    shared, own = _describe(method, str(url))
    name = method if method in state.methods else UNKNOWN_METHOD
    span = state.open(name, context, SpanKind.CLIENT, own, None, shared)
    return kind(span, with_value(context, SPAN_KEY, span))


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
        try:
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
        except Exception as error:  # noqa: BLE001 - logged
            fault("the end of a call", error)


def _set_connection(span: Span, version: str, peer: Any) -> None:
    """Record the version of HTTP and the peer: address and port, or the path of a socket."""
    if version:
        span.set_attribute("network.protocol.version", version)
    if isinstance(peer, (tuple, list)):
        span.set_attribute("network.peer.address", peer[0])
        span.set_attribute("network.peer.port", peer[1])
    elif peer:
        span.set_attribute("network.peer.address", peer.decode() if isinstance(peer, bytes) else peer)


def _refused(span: Span, status: int) -> None:
    span.set_attribute("error.type", str(status))
    span.set_status(StatusCode.ERROR)


@quick
def client_span(method: str, url: str, headers: MutableMapping[str, str] | None = None) -> ClientSpan | Span:
    """Create a client span for an HTTP call in the block, and set the context's headers in `headers`.

    Set `http.response.status_code` on the span of the block; 400 and above makes it an error. Nothing happens in a
    context that suppresses the spans of HTTP clients.

    Args:
        method: HTTP method.
        url: Full URL; user information and secrets in the query are not recorded.
        headers: The call's headers, changed in place. With them, the block is the whole call: a client library that is
            traced, too, creates no second span in it.
    """
    context = current()
    if state.off and not context:  # no span is wanted, and no context came in that could be passed on
        return trace.INVALID_SPAN
    span: Any = context.get(SPAN_KEY)
    try:
        if (len(context) > 1 or span is None) and is_http_suppressed(context):
            return trace.INVALID_SPAN
        if span.__class__ is not UnsampledSpan or span.__class__ is not state.idle:
            span = open_call(method, url, context, ClientSpan)
            if headers is not None:
                _put(headers, span.span, span.context)
                span.context = without_http(span.context, is_new=span.context is not context)
        elif headers is not None:
            if len(context) > 1 or span.state is not NO_STATE or not state.propagator.carries_parents:
                _put(headers, span, context)
            else:
                headers["traceparent"] = span.outgoing()
    except Exception as error:  # noqa: BLE001 - logged
        fault("a call", error)
        return span if isinstance(span, ClientSpan) else trace.INVALID_SPAN
    return span  # type: ignore[no-any-return] # a block of ours, or the span above


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
    shown = state.redactor.url(url)
    path_at = shown.find("/", shown.find("//") + 2)
    base = shown if path_at < 0 else shown[:path_at]
    return _shared(method, method in state.methods, base), {"url.full": shown}


@lru_cache(maxsize=256)
def _shared(method: str, is_known: bool, base: str) -> Shared:
    """Return the common attributes of calls to one server; `base` is a URL up to its authority."""
    parts = urlsplit(base)
    try:
        port = parts.port
    except ValueError:  # not a number: the call itself fails
        port = None
    values = method_attributes(method, is_known)
    values["server.address"] = parts.hostname or ""
    port = port or DEFAULT_PORTS.get(parts.scheme)
    if port:
        values["server.port"] = port
    return Shared(values)
