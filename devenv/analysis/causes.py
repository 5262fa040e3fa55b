"""Likely causes of incomplete traces, as one-line messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from devenv.analysis.tree import SpanTree
from devenv.http.origin import split_endpoint
from devenv.model.span import Span, SpanKind, Value
from devenv.model.trace import OWN_SERVICE, Trace
from devenv.otlp.backend_ports import OTLP_GRPC_PORT, OTLP_HTTP_PORT

_PEER_KEYS = ("peer.service", "server.address", "net.peer.name", "http.host")
_URL_KEYS = ("url.full", "http.url")
_LOOPBACK = {"localhost", "127.0.0.1", "::1", "0.0.0.0"}  # noqa: S104 - names to recognise, nothing is bound
_CALLS = {SpanKind.CLIENT, SpanKind.PRODUCER}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """A service's tracing settings, as far as known: the values of its ``OTEL_*`` variables, ``""`` if unset.

    Attributes:
        isolated: its loopback interface is its own (a container's), not this machine's.
        disabled: the SDK is disabled.
        instrumented: ``False`` if the stack file excludes it from tracing.
        takes_grpc: the backend accepts OTLP over gRPC; the embedded one does not.
    """

    endpoint: str = ""
    protocol: str = ""
    sampler: str = ""
    sampler_argument: str = ""
    exporter: str = ""
    isolated: bool = False
    disabled: bool = False
    instrumented: bool = True
    takes_grpc: bool = True


def fault_of(setup: Setup | None) -> str:
    """The fault in a service's settings, as the end of a sentence; empty if none is found."""
    if setup is None:
        return ""
    if not setup.instrumented:
        return "is not traced (x-devenv.instrument: false)"
    if setup.disabled:
        return "has tracing disabled (OTEL_SDK_DISABLED=true)"
    if setup.exporter and "otlp" not in setup.exporter:
        return f"does not export traces over OTLP (OTEL_TRACES_EXPORTER={setup.exporter})"
    if setup.sampler.removeprefix("parentbased_") == "always_off":
        return f"does not sample any trace (sampler {setup.sampler})"
    if setup.sampler == "traceidratio" and not _is_one(setup.sampler_argument):
        return "ignores the caller's sampling decision (sampler traceidratio instead of parentbased_traceidratio)"
    if setup.protocol == "grpc" and not setup.takes_grpc:
        return "exports over gRPC, which the embedded backend does not support (wrong protocol: set http/protobuf)"
    return _endpoint_fault(setup)


def _is_one(argument: str) -> bool:
    """Whether a sampler's argument means that all traces are sampled; a missing one does."""
    try:
        return float(argument or 1) >= 1
    except ValueError:
        return True  # an unreadable argument means the default


def _endpoint_fault(setup: Setup) -> str:
    if not setup.endpoint:
        return ""
    parts = split_endpoint(setup.endpoint)
    if setup.isolated and parts.hostname in _LOOPBACK:
        return f"exports to {setup.endpoint}, which is the container itself (loopback endpoint)"
    if parts.port == OTLP_GRPC_PORT and setup.protocol.startswith("http"):
        return f"exports over {setup.protocol} to {setup.endpoint}, the gRPC port (wrong endpoint or protocol)"
    if parts.port == OTLP_HTTP_PORT and setup.protocol == "grpc":
        return f"exports over gRPC to {setup.endpoint}, the HTTP port (wrong endpoint or protocol)"
    return ""


def cause_of_absence(trace: Trace | None, setups: Mapping[str, Setup], known: frozenset[str] | None) -> str:
    """Why no service has a span."""
    for service, setup in setups.items():
        if fault := fault_of(setup):
            return f"{service} {fault}"
    if known is not None and not known - {OWN_SERVICE}:
        return "no service exports to this backend: no tracing, or wrong endpoint or protocol"
    if trace is None:
        return "no span arrived, not even devenv's own: the backend rejected or evicted them"
    return "only devenv's root span arrived: the entry point is not traced, ignores traceparent, or cannot export"


def cause_of_missing(
    service: str,
    tree: SpanTree,
    setups: Mapping[str, Setup],
    known: frozenset[str] | None,
    active: frozenset[str] | None = None,
) -> str:
    """Why ``service`` has no span in a trace that has others.

    Args:
        service: the missing service.
        tree: of the trace.
        setups: the services' tracing settings, as far as known.
        known: services that have any span in the backend; ``None`` if the backend was not asked.
        active: those of them with a span since the request began; ``None`` if the backend was not asked.
    """
    if fault := fault_of(setups.get(service)):
        return f"{service} {fault}"
    caller = _caller_of(service, tree)
    if tree.orphans:
        below = tree.orphans[0].service
        return (
            f"no span from {service}, but {below} received its context: {service}'s exporter probably dropped spans or "
            "cannot reach the backend"
        )
    if caller is None:
        return f"no span in the trace calls {service}: the request did not reach it, or the call is not traced"
    if known is not None and service in known and active is not None and service not in active:
        return (
            f"{caller} called {service}, but {service} has only spans from before this request: "
            "its exporter fails, or its endpoint is wrong"
        )
    if known is not None and service in known:
        return (
            f"propagation broken between {caller} and {service}: {service} has spans in other traces (split suspected)"
        )
    if known is not None:
        return f"{caller} called {service}, but no span from {service} ever arrived: not traced, or wrong endpoint"
    return f"propagation broken between {caller} and {service}, or {service} does not export (split suspected)"


def cause_of_orphans(tree: SpanTree) -> str:
    """Why spans have no parent although every expected service has a span."""
    if not tree.orphans:
        names = " and ".join(dict.fromkeys(span.service for span in tree.roots))
        return f"{len(tree.roots)} root spans instead of 1 ({names}): a service continued the trace ID without a parent"
    orphan = tree.orphans[0]
    if orphan.span_id in tree.cycles:
        return f"the parents of {orphan.service}'s {orphan.name!r} lead back to the span itself"
    if not tree.roots and all(span.parent_id == orphan.parent_id for span in tree.orphans):
        return f"devenv's root span, the parent of {orphan.service}'s {orphan.name!r}, did not arrive"
    source = _likely_source(orphan, tree)
    return f"the parent of {orphan.service}'s {orphan.name!r} did not arrive: probably dropped by {source}'s exporter"


def cause_of_split(trace: Trace | None, parts: Sequence[Trace]) -> str:
    """Between which services the context was lost, if parts of a request are in other traces."""
    first = min(parts, key=lambda part: part.start_ns)
    service = first.spans[0].service
    caller = _caller_at(first, trace)
    return f"propagation broken between {caller} and {service}: {service}'s spans are in a separate trace"


def callee(span: Span) -> str | None:
    """The host name that a client span called, without its domain; ``None`` if no attribute names it."""
    if span.kind not in _CALLS:
        return None
    for key in _PEER_KEYS:
        if host := _text(span.attributes.get(key)):
            return host.partition(":")[0].partition(".")[0]
    for key in _URL_KEYS:
        if url := _text(span.attributes.get(key)):
            return (urlsplit(url).hostname or "").partition(".")[0] or None
    return None


def _text(value: Value) -> str:
    return value if isinstance(value, str) else ""


def _caller_of(service: str, tree: SpanTree) -> str | None:
    """The service with a call to ``service`` that has no child span; else one with a call to an unknown host."""
    unanswered = [span for span in tree.spans if span.kind in _CALLS and span.span_id not in tree.children]
    named = [span for span in unanswered if callee(span) == service]
    unnamed = [span for span in unanswered if callee(span) is None or _is_address(callee(span))]
    return next((span.service for span in [*named, *unnamed]), None)


def _is_address(host: str | None) -> bool:
    return host is not None and (host.isdigit() or host in _LOOPBACK)


def _caller_at(part: Trace, trace: Trace | None) -> str:
    """The service whose call was running when a separate part began: the innermost call at that time."""
    calls = [
        span
        for span in (trace.spans if trace else ())
        if span.kind in _CALLS and span.start_ns <= part.start_ns <= span.end_ns
    ]
    if calls:
        return max(calls, key=lambda span: span.start_ns).service
    return next(iter(trace.services), OWN_SERVICE) if trace else OWN_SERVICE


def _likely_source(orphan: Span, tree: SpanTree) -> str:
    """The service whose span is missing: for a server span its caller's, for any other span its own."""
    if orphan.kind not in {SpanKind.SERVER, SpanKind.CONSUMER}:
        return orphan.service
    around = [
        span
        for span in tree.spans
        if span.service != orphan.service and span.start_ns <= orphan.start_ns and span.end_ns >= orphan.end_ns
    ]
    return max(around, key=lambda span: span.start_ns).service if around else f"the caller of {orphan.service}"
