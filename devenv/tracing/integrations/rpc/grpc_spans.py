"""The part that the gRPC integrations share: begin a span with the call's metadata, end it with the status code.

Attributes follow the semantic conventions for gRPC of version 1.45, which the stock instrumentation does not yet
(https://opentelemetry.io/docs/specs/semconv/rpc/grpc/). Messages and metadata are not recorded.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import grpc
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, StatusCode, get_current_span

from devenv.tracing.active import state
from devenv.tracing.context.ambient import SPAN_KEY, current, with_value
from devenv.tracing.context.baggage_header import BAGGAGE_KEY
from devenv.tracing.context.suppression import is_suppressed
from devenv.tracing.light.shared import Shared
from devenv.tracing.process.faults import fault
from devenv.tracing.server_side import REQUEST_KEY
from devenv.tracing.spans import fail, interrupted

LIBRARY = "grpc"
_NAMES = {code.value[0]: code.name for code in grpc.StatusCode}
# A server has not failed if the caller's request is what is wrong.
_SERVER_FAULTS = frozenset({"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"})
_SCHEMES = ("dns", "ipv4", "ipv6", "unix", "unix-abstract", "xds", "passthrough")

Target = tuple[str, int]
"""Address and port of a server; 0 for none."""


def taken(instrumentor: str) -> bool:
    """Whether an instrumentor of OpenTelemetry's own instrumentation is active, and creates the spans instead of us."""
    maker = getattr(sys.modules.get("opentelemetry.instrumentation.grpc"), instrumentor, None)
    return maker is not None and getattr(maker(), "is_instrumented_by_opentelemetry", False) is True


def begin_client(method: str | bytes, target: Target, metadata: Any) -> tuple[Span, Any]:
    """Start the span of a call; does not raise.

    Returns:
        The span (recording or not), and the metadata to send, with the context's.
    """
    span: Span = INVALID_SPAN
    try:
        context = current()
        if (state.off and not context) or is_suppressed(context) or is_excluded(method):
            return INVALID_SPAN, metadata
        passive = state.passive()
        if passive is None:
            name = _method(method)
            span = state.open(name, context, SpanKind.CLIENT, {}, None, _client(name, *target))
            context = with_value(context, SPAN_KEY, span)
        fields: dict[str, str] = {}
        state.propagator.write(fields, context)
        sent = {name.lower(): value for name, value in fields.items()}
        if sent:
            metadata = (*(pair for pair in metadata or () if pair[0] not in sent), *sent.items())
    except Exception as error:  # noqa: BLE001 - logged
        fault(LIBRARY, error)
    return span, metadata


def is_excluded(method: str | bytes) -> bool:
    """Whether the calls of a method's service are not traced; may raise."""
    tracing = state.tracing
    services = tracing.settings.exclude_patterns_of.get("grpc") if tracing is not None else None
    return services is not None and _method(method).rpartition("/")[0] in map(str.strip, services.split(","))


def reject_server(method: str | bytes, metadata: Any) -> None:
    """Record the span of a call for whose method a server has no handler, which gRPC rejects at once; does not raise.

    Args:
        method: The call's full method.
        metadata: What the caller has sent with it.
    """
    try:
        if state.off or is_excluded(method):
            return
        context = state.propagator.read(metadata or ())
        own = {"rpc.method_original": _method(method), "rpc.response.status_code": "UNIMPLEMENTED"}
        span = state.open("grpc", context, SpanKind.SERVER, own, None, _server("_OTHER"))
        _failed(span, "UNIMPLEMENTED", None)
        span.end()
    except Exception as error:  # noqa: BLE001 - logged
        fault(LIBRARY, error)


def end_client(span: Span, code: Any, details: Any) -> None:
    """Record the status of a call, of which all but OK are an error for a client, and end the span; does not raise."""
    try:
        if span.is_recording():
            name = _code(code) or "UNKNOWN"
            span.set_attribute("rpc.response.status_code", name)
            if name != "OK":
                _failed(span, name, details)
            span.end()
    except Exception as error:  # noqa: BLE001 - logged
        fault(LIBRARY, error)


def broken_client(span: Span, exception: BaseException) -> None:
    """Record that a call ended in the program itself, and end the span; does not raise."""
    try:
        if span.is_recording():
            if isinstance(exception, Exception):
                fail(span, exception)
            else:
                interrupted(span, exception)
            span.end()
    except Exception as error:  # noqa: BLE001 - logged
        fault(LIBRARY, error)


def begin_server(method: str | bytes, servicer: Any) -> tuple[Span, Context] | None:
    """Start the span of a call that has arrived; None for an excluded service, or after a fault.

    Args:
        method: The call's full method.
        servicer: gRPC's context of the call.
    """
    try:
        if is_excluded(method):
            return None
        context = state.propagator.read(servicer.invocation_metadata() or ())
        if state.off:
            return get_current_span(context), context
        name = _method(method)
        span = state.open(name, context, SpanKind.SERVER, _caller(servicer.peer()), None, _server(name))
        bag: Any = context.get(BAGGAGE_KEY)
        if bag and REQUEST_KEY in bag:
            span.set_attribute(REQUEST_KEY, str(bag[REQUEST_KEY]))
        return span, with_value(context, SPAN_KEY, span)
    except Exception as error:  # noqa: BLE001 - logged
        fault(LIBRARY, error)
        return None


def end_server(span: Span, servicer: Any, exception: BaseException | None) -> None:
    """Record how a call ended, and end the span; does not raise.

    Args:
        span: The span.
        servicer: gRPC's context of the call, in which the program may have set a code.
        exception: What the handler has raised: after `abort`, gRPC's exception.
    """
    try:
        if not span.is_recording():
            return
        code = getattr(servicer, "code", None)  # the one that `grpc.aio` gives to a plain function has none
        name = _code(code()) if code is not None else None
        aborted = exception is not None and _is_abort(exception)
        if isinstance(exception, Exception) and not aborted:
            name = name if name not in {None, "OK"} else "UNKNOWN"
            fail(span, exception)
            span.set_attribute("error.type", name)  # the code that is returned; the exception's class is in its event
        elif exception is not None and not aborted:
            name = name or "CANCELLED"  # the caller has gone, in the middle of the responses
        elif not name and not aborted:
            name = _ending(servicer)
        if name:
            span.set_attribute("rpc.response.status_code", name)
        if name in _SERVER_FAULTS and (exception is None or aborted):
            _failed(span, name, servicer.details())
        span.end()
    except Exception as error:  # noqa: BLE001 - logged
        fault(LIBRARY, error)


def target_of(target: str) -> Target:
    """Return the address and port of a channel's target (https://github.com/grpc/grpc/blob/master/doc/naming.md)."""
    try:
        scheme, found, rest = target.partition(":")
        if found and scheme in _SCHEMES:
            if scheme.startswith("unix"):
                return rest, 0
            target = rest[2:].partition("/")[2] if rest.startswith("//") else rest
        host, colon, port = target.rpartition(":")
        if not colon or not port.isdigit() or (":" in host and not host.startswith("[")):
            return target.strip("[]"), 0
        return host.strip("[]"), int(port)
    except Exception as error:  # noqa: BLE001 - logged; gRPC judges the target
        fault(LIBRARY, error)
        return "", 0


def _failed(span: Span, name: str, details: Any) -> None:
    span.set_attribute("error.type", name)
    text = details.decode("utf-8", "replace") if isinstance(details, bytes) else details
    span.set_status(StatusCode.ERROR, text or None)


def _is_abort(exception: BaseException) -> bool:
    return type(exception).__name__ == "AbortError" or (type(exception) is Exception and not exception.args)


def _ending(servicer: Any) -> str:
    """Return the code of a handler that has set none."""
    active: Callable[[], bool] | None = getattr(servicer, "is_active", None)
    if active is None or active():
        return "OK"
    return "CANCELLED" if servicer.time_remaining() else "DEADLINE_EXCEEDED"


def _code(code: Any) -> str | None:
    """Return the name of a status code, which the asynchronous interface has as a number; None for none."""
    if isinstance(code, int):
        return _NAMES.get(code, "UNKNOWN")
    return getattr(code, "name", None)


def _method(method: str | bytes) -> str:
    return (method.decode("latin-1") if isinstance(method, bytes) else method).lstrip("/")


def _caller(peer: str) -> dict[str, Any]:
    """Return the attributes of a caller such as `ipv4:127.0.0.1:5000` or `unix:/run/shop`."""
    if peer.startswith("unix:"):
        path = peer.partition(":")[2]
        return {"network.peer.address": path} if path else {}
    if not peer.startswith(("ipv4:", "ipv6:")):
        return {}
    from urllib.parse import unquote

    address, port = target_of(unquote(peer))
    return {"network.peer.address": address, "network.peer.port": port}


@lru_cache(maxsize=512)
def _client(method: str, address: str, port: int) -> Shared:
    values: dict[str, Any] = {"rpc.system.name": "grpc", "rpc.method": method, "server.address": address}
    if port:
        values["server.port"] = port
    return Shared(values)


@lru_cache(maxsize=512)
def _server(method: str) -> Shared:
    return Shared({"rpc.system.name": "grpc", "rpc.method": method})


def first(interceptors: Iterable[Any] | None, ours: Any) -> tuple[Any, ...]:
    """Return a server's interceptors with ours outside."""
    return (ours, *(interceptors or ()))
