"""The common part of the server integrations: decide from the headers, create the server span, finish it.

Attributes follow the stable HTTP semantic conventions (https://opentelemetry.io/docs/specs/semconv/http/http-spans/).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from random import getrandbits
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, NonRecordingSpan, Span, SpanContext, SpanKind, StatusCode, TraceFlags

from devenv.tracing.active import Active, state
from devenv.tracing.context.ambient import SPAN_KEY
from devenv.tracing.context.baggage_header import BAGGAGE_KEY, Received
from devenv.tracing.context.baggage_header import parse as parse_baggage
from devenv.tracing.context.traceparent import FLAG_BITS, is_version_00, remote_context
from devenv.tracing.context.traceparent import parse as parse_parent
from devenv.tracing.context.tracestate import parse as parse_state
from devenv.tracing.light.decision import LOW_64, Sampled
from devenv.tracing.light.shared import Shared
from devenv.tracing.light.span import LightSpan
from devenv.tracing.light.tracer import LightTracer
from devenv.tracing.light.unsampled import NO_STATE, RANDOM, SAMPLED, LocalTrace, UnsampledSpan, new_trace_hex
from devenv.tracing.process.excluded_urls import excluded_requests
from devenv.tracing.process.faults import fault
from devenv.tracing.process.http_names import UNKNOWN_METHOD, method_attributes
from devenv.tracing.process.request_origin import Origin
from devenv.tracing.propagation import traceparent

REQUEST_KEY = "devenv.request"
# The key in the environ or scope under which an integration keeps the path template, if the framework has none.
ROUTE_KEY = "devenv.tracing.route"

Describe = Callable[[Any], tuple[Shared, dict[str, Any]]]
"""Returns a server span's attributes, the shared ones and its own, for the server's request object; called only for
recorded requests."""
_MOST_SHARED = 256
# With fewer own attributes than this, a server span has room for those that are added at its end.
_SURELY_ROOM = 64


class ServerSide:
    """The server spans of one application.

    Args:
        tracing: The result of `setup`. Default: the tracing that is set up when a request arrives.
        trace_response: Whether to send `traceresponse`. Default: from the settings.
        exclude: Paths that are not traced. Default: from the settings.
        libraries: Names of the stock instrumentations for these requests, whose excluded URLs are not traced.

    Attributes:
        answers: Whether a `traceresponse` header is sent.
        foreign: Translates formats other than W3C's, None without any.
        fastapi: Whether the program uses FastAPI, whose own server spans would duplicate ours.
        off: Whether nothing is done for a request without context: tracing is switched off.
        plain: Whether `begin_plain` may decide for requests with nothing unusual in their headers.
        tracing: The tracing in use.
    """

    def __init__(
        self,
        tracing: Active | None,
        trace_response: bool | None,
        exclude: Sequence[str] | None,
        libraries: Sequence[str] = (),
    ) -> None:
        self._libraries = libraries
        self._trace_response = trace_response
        self._exclude = exclude
        self.bind(tracing or state.tracing)
        if tracing is None:
            state.followers.add(self)

    def bind(self, tracing: Active | None) -> None:
        """Use this tracing from now on; None after a shutdown."""
        try:
            self._bind(tracing)
        except Exception as error:  # noqa: BLE001 - logged; requests are served without tracing
            fault("an application", error)

    def _bind(self, tracing: Active | None) -> None:
        self.tracing = tracing
        settings = tracing.settings if tracing is not None else None
        light = tracing.light if tracing is not None and tracing.cheap else None
        if light is not None and light.provider.decider.custom is not None:
            light = None
        self._light = light
        propagator = tracing.propagator if tracing is not None else state.propagator
        self.foreign = propagator.foreign
        self._parents = propagator.carries_parents or self.foreign is not None
        self._baggage = propagator.carries_baggage or self.foreign is not None
        excluded = self._exclude if self._exclude is not None else settings.exclude if settings else ()
        self._excluded = frozenset(excluded)
        self._patterns = None
        if settings is not None and self._exclude is None:
            self._patterns = excluded_requests(settings, self._libraries)
        self._enabled = settings is None or settings.enabled
        self.fastapi = tracing is not None and "fastapi" in sys.modules
        self.off = not self._enabled and self.foreign is None and not self.fastapi
        answer = self._trace_response
        self.answers = answer if answer is not None else settings is not None and settings.trace_response
        self.plain = light is not None and self._parents and self._baggage and not self.fastapi
        if self.foreign is not None or self._patterns is not None or (light is not None and light.provider.has_own_ids):
            self.plain = False
        self._bound = light.provider.decider.bound if light is not None else 0

    def begin(
        self,
        request: Any,
        path: str,
        method: str,
        parents: list[str],
        states: list[str] | None,
        bags: list[str] | None,
        describe: Describe,
    ) -> tuple[Span, Context]:
        """Decide, and start a span if the request is recorded.

        Args:
            request: The argument of `describe`.
            path: The request's path.
            method: The request's method.
            parents: Every `traceparent` field.
            states: Every `tracestate` field, None for none.
            bags: Every `baggage` field, None for none.
            describe: Returns the attributes.

        Returns:
            The span (recording or not) and the context in which to run the request.
        """
        received = parse_baggage(bags) if bags and self._baggage else None
        light = self._light
        if light is not None:
            decision = decide(light, parents if self._parents else (), states)
            if decision.__class__ is UnsampledSpan:
                span: Span = decision
            elif self.is_excluded(request, path, describe):
                span = UnsampledSpan(decision.local.hex, decision.local.flags & RANDOM, decision.local.state)
            else:
                span = _record(light, decision.local, decision.parent_id, method, received, describe(request))
        elif not self._enabled:
            return _pass_on(parents, states, received)
        elif self.is_excluded(request, path, describe):
            span = _unsampled(parents, states)
        else:
            span = _start(method, parents if self._parents else [], states, received, *describe(request))
        return span, self.context(span, received)

    def is_excluded(self, request: Any, path: str, describe: Describe) -> bool:
        """Return whether the path of a request, or its URL without the query, is one that is not traced.

        Args:
            request: The argument of `describe`.
            path: The request's path.
            describe: Returns the attributes.
        """
        if self._patterns is None or path in self._excluded:
            return path in self._excluded
        shared, own = describe(request)
        scheme, host = shared.values.get("url.scheme", "http"), shared.values.get("server.address", "")
        port = shared.values.get("server.port")
        at = f":{port}" if port not in {None, 80, 443} else ""
        return self._patterns.search(f"{scheme}://{host}{at}{own.get('url.path', '')}") is not None

    def begin_plain(
        self, request: Any, headers: Mapping[bytes, bytes], describe: Describe
    ) -> tuple[Span, Context] | None:
        """Decide by the short path of most requests, if `plain` allows it: no `tracestate`, and no repeated field.

        Args:
            request: The argument of `describe`, with its `path` and `method`.
            headers: Every field, with lowercase names.
            describe: Returns the attributes.

        Returns:
            As `begin`; None if `traceparent` needs the full parser, and nothing has been decided.
        """
        parent = headers.get(b"traceparent")
        if parent is None:
            number = getrandbits(128) or 1
            trace_hex, flags = number.to_bytes(16, "big").hex(), RANDOM | ((number & LOW_64) < self._bound)
        elif is_version_00(parent) is None:
            return None
        else:
            trace_hex, flags = parent[3:35].decode(), FLAG_BITS[parent[53:]]
        received = parse_baggage((headers[b"baggage"].decode("latin-1"),)) if b"baggage" in headers else None
        if not flags & SAMPLED:
            span: Span = UnsampledSpan(trace_hex, flags)
        else:
            parent_id = int(parent[36:52], 16) if parent is not None else 0
            span = self.open_plain(request, trace_hex, flags, parent_id, received, describe)
        return span, Context({SPAN_KEY: span}) if received is None else self.context(span, received)

    def open_plain(
        self, request: Any, trace_hex: str, flags: int, parent_id: int, received: Received | None, describe: Describe
    ) -> Span:
        """Start the span of a sampled request, unless its path is excluded; for `begin_plain` and its compiled form."""
        light = self._light
        if light is None or request["path"] in self._excluded:
            return UnsampledSpan(trace_hex, flags & RANDOM)
        local = LocalTrace(trace_hex, flags)
        return _record(light, local, parent_id, request["method"], received, describe(request))

    def context(self, span: Span, received: Received | None) -> Context:
        """Return the context in which a request runs; its key in the baggage becomes an attribute."""
        if received is None:
            return Context({SPAN_KEY: span})
        request_key = received.get(REQUEST_KEY)
        if request_key is not None:
            span.set_attribute(REQUEST_KEY, str(request_key))
        return Context({SPAN_KEY: span, BAGGAGE_KEY: received})


def decide(light: LightTracer, parents: Sequence[str], states: Sequence[str] | None) -> Any:
    """Decide from the headers alone, once for all spans below.

    Returns:
        An `UnsampledSpan`, which is the only cost of most requests in production, or a `Sampled`.
    """
    parent = parse_parent(parents[0]) if len(parents) == 1 else None
    if parent is None:
        provider = light.provider
        trace_hex = provider.new_trace()
        if provider.decider.root(trace_hex):
            return Sampled(LocalTrace(trace_hex, provider.random | SAMPLED), 0)
        return UnsampledSpan(trace_hex, provider.random)
    trace_hex, parent_hex, flags = parent
    state_of = (parse_state(states) or NO_STATE) if states else NO_STATE
    if flags & SAMPLED:
        return Sampled(LocalTrace(trace_hex, flags, state_of), int(parent_hex, 16))
    return UnsampledSpan(trace_hex, flags, state_of)


def _record(
    light: LightTracer,
    local: LocalTrace,
    parent_id: int,
    method: str,
    received: Received | None,
    described: tuple[Shared, dict[str, Any]],
) -> LightSpan:
    shared, own = described
    context = None
    if light.provider.processors:  # they are given the context in which the span was started
        values: dict[str, object] = {} if received is None else {BAGGAGE_KEY: received}
        if parent_id:
            flags = TraceFlags(local.flags)
            values[SPAN_KEY] = NonRecordingSpan(SpanContext(int(local.hex, 16), parent_id, True, flags, local.state))
        context = Context(values)
    name = method if method in state.methods else UNKNOWN_METHOD
    return light.record(name, context, SpanKind.SERVER, parent_id, parent_id != 0, local, own, shared=shared)


def finish(span: Span, method: str, route: str | None, status: int) -> None:
    """Set the attributes that are known only now, and end the span; 500 and above is an error for a server."""
    if route is not None:
        span.update_name(f"{method if method in state.methods else UNKNOWN_METHOD} {route}")
    if span.__class__ is LightSpan and len(span.own) < _SURELY_ROOM <= span.tracer.limits.span_attributes:
        own = span.own
        if route is not None:
            own["http.route"] = route
        if status:
            own["http.response.status_code"] = status
    else:
        if route is not None:
            span.set_attribute("http.route", route)
        if status:
            span.set_attribute("http.response.status_code", status)
    if status >= 500:
        if "error.type" not in (getattr(span, "attributes", None) or ()):
            span.set_attribute("error.type", str(status))
        found = getattr(span, "status", None)
        if found is None or found.status_code is not StatusCode.ERROR:  # keep the exception's description
            span.set_status(StatusCode.ERROR)
    span.end()


def answer(span: Span) -> str:
    """Return the value of `traceresponse` (https://w3c.github.io/trace-context/#traceresponse-header)."""
    return traceparent(span) or ""


def watch_django() -> None:
    """Record routes and exceptions of a Django application below: no middleware sees them."""
    if "django.core.handlers.base" in sys.modules:
        try:
            import_module("devenv.tracing.integrations.django").instrument()
        except Exception as error:  # noqa: BLE001 - logged; requests are traced without their routes
            fault("django", error)


def described(
    origin: Origin,
    method: str,
    version: str,
    path: str,
    query: str,
    agent: str | None,
    fields: Iterable[tuple[Any, Any]],
    port: Any = None,
) -> tuple[Shared, dict[str, Any]]:
    """Return the attributes of a request that are known at its start: those common to a server's requests, and its own.

    Args:
        origin: Its origin.
        method: Its method.
        version: The version of HTTP.
        path: `url.path`.
        query: The query as it was sent, without `?`.
        agent: The field `User-Agent`.
        fields: All fields, as bytes or text; read only if some are captured.
        port: The port of the peer, if it is known.
    """
    own: dict[str, Any] = {"url.path": path}
    if query:
        own["url.query"] = state.redactor.query(query)
    if origin.client:
        own["client.address"] = origin.client
    if origin.peer:
        own["network.peer.address"] = origin.peer
        if port:
            own["network.peer.port"] = port
    if agent:
        own["user_agent.original"] = agent
    if state.server_headers is not None:
        own.update(state.server_headers.request(fields))
    return _shared_attributes(method, origin, version), own


def _shared_attributes(method: str, origin: Origin, version: str) -> Shared:
    """Return the common attributes of requests to one server; the same object for the same arguments."""
    key = (method, method in state.methods, origin.scheme, origin.address, origin.port, version)
    shared = _shared.get(key)
    if shared is None:
        shared = Shared(_common(*key))
        if len(_shared) < _MOST_SHARED:
            _shared[key] = shared
    return shared


_shared: dict[tuple[str, bool, str, str, int, str], Shared] = {}


def _common(method: str, is_known: bool, scheme: str, host: str, port: int, version: str) -> dict[str, Any]:
    values = method_attributes(method, is_known)
    values["url.scheme"] = scheme
    if host:
        values["server.address"] = host
    if port:
        values["server.port"] = port
    if version:
        values["network.protocol.version"] = version
    return values


def _start(
    method: str,
    parents: list[str],
    states: list[str] | None,
    received: Received | None,
    shared: Shared,
    own: dict[str, Any],
) -> Span:
    """Start by the provider's own rules: another provider, a sampler that decides each time, further processors."""
    remote = remote_context(parents, states or ())
    values: dict[str, object] = {} if remote is None else {SPAN_KEY: NonRecordingSpan(remote)}
    if received is not None:
        values[BAGGAGE_KEY] = received
    name = method if method in state.methods else UNKNOWN_METHOD
    return state.open(name, Context(values), SpanKind.SERVER, own, None, shared)


def _pass_on(parents: list[str], states: list[str] | None, received: Received | None) -> tuple[Span, Context]:
    """With tracing off: pass the received context on unchanged."""
    remote = remote_context(parents, states or ())
    span = NonRecordingSpan(remote) if remote is not None else INVALID_SPAN
    values: dict[str, object] = {} if remote is None else {SPAN_KEY: span}
    if received is not None:
        values[BAGGAGE_KEY] = received
    return span, Context(values)


def _unsampled(parents: list[str], states: list[str] | None) -> UnsampledSpan:
    """Propagates a trace with the sampled flag cleared."""
    parent = parse_parent(parents[0]) if len(parents) == 1 else None
    if parent is None:
        return UnsampledSpan(new_trace_hex(), RANDOM)
    state_of = (parse_state(states) or NO_STATE) if states else NO_STATE
    return UnsampledSpan(parent[0], parent[2] & RANDOM, state_of)
