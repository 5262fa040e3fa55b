"""The likely cause where a request is not traced end to end: one line each, for people."""

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
    """What is known of a service's tracing settings; the values are those of its ``OTEL_*`` variables, ``""`` if unset.

    Attributes:
        isolated: its loopback is its own (a container's), not this machine's.
        disabled: the whole SDK is switched off.
        instrumented: ``False`` where the stack file says that it is not traced.
        takes_grpc: the backend takes OTLP over gRPC; the embedded one does not.
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
    """What is wrong with a service's settings, as the end of a sentence; empty where nothing is seen."""
    if setup is None:
        return ""
    if not setup.instrumented:
        return "is a service without tracing (x-devenv.instrument: false)"
    if setup.disabled:
        return "has its tracing switched off (OTEL_SDK_DISABLED=true)"
    if setup.exporter and "otlp" not in setup.exporter:
        return f"exports no traces by OTLP (OTEL_TRACES_EXPORTER={setup.exporter})"
    if setup.sampler.removeprefix("parentbased_") == "always_off":
        return f"samples nothing (sampler {setup.sampler})"
    if setup.sampler == "traceidratio" and not _is_one(setup.sampler_argument):
        return "decides on sampling by itself (sampler traceidratio instead of parentbased_traceidratio)"
    if setup.protocol == "grpc" and not setup.takes_grpc:
        return "exports by gRPC, which the embedded backend does not take (wrong protocol: set http/protobuf)"
    return _endpoint_fault(setup)


def _is_one(argument: str) -> bool:
    """Whether a sampler's argument means everything, as its absence does."""
    try:
        return float(argument or 1) >= 1
    except ValueError:
        return True  # what cannot be read is taken for the default


def _endpoint_fault(setup: Setup) -> str:
    if not setup.endpoint:
        return ""
    parts = split_endpoint(setup.endpoint)
    if setup.isolated and parts.hostname in _LOOPBACK:
        return f"exports to {setup.endpoint}, which inside a container is the container itself (loopback endpoint)"
    if parts.port == OTLP_GRPC_PORT and setup.protocol.startswith("http"):
        return f"exports by {setup.protocol} to {setup.endpoint}, the port of gRPC (wrong endpoint or protocol)"
    if parts.port == OTLP_HTTP_PORT and setup.protocol == "grpc":
        return f"exports by gRPC to {setup.endpoint}, the port of HTTP (wrong endpoint or protocol)"
    return ""


def cause_of_absence(trace: Trace | None, setups: Mapping[str, Setup], known: frozenset[str] | None) -> str:
    """Why no service has a span."""
    for service, setup in setups.items():
        if fault := fault_of(setup):
            return f"{service} {fault}"
    if known is not None and not known - {OWN_SERVICE}:
        return "no service exports to this backend: services without tracing, or a wrong endpoint or protocol"
    if trace is None:
        return "no span at all arrived, devenv's own included: the backend did not take them, or let them go"
    return "only devenv's root span arrived: the entry point has no tracing, ignores traceparent, or cannot export"


def cause_of_missing(
    service: str,
    tree: SpanTree,
    setups: Mapping[str, Setup],
    known: frozenset[str] | None,
    active: frozenset[str] | None = None,
) -> str:
    """Why ``service`` has no span in a trace that has others.

    Args:
        service: the one that is missed.
        tree: of the trace.
        setups: what is known of the services' tracing settings.
        known: services of which the backend has any span; ``None`` where that was not asked.
        active: those of them with a span since the request began; ``None`` where that was not asked.
    """
    if fault := fault_of(setups.get(service)):
        return f"{service} {fault}"
    caller = _caller_of(service, tree)
    if tree.orphans:
        below = tree.orphans[0].service
        return f"exporter of {service} dropped its spans or cannot reach the backend: the context passed on to {below}"
    if caller is None:
        return f"nothing in the trace calls {service}: the request did not get that far, or the call is not traced"
    if known is not None and service in known and active is not None and service not in active:
        return (
            f"{caller} called {service}, of which no span has arrived since the request began, only older ones: "
            "its exporter fails, or wrong endpoint"
        )
    if known is not None and service in known:
        return (
            f"propagation broken between {caller} and {service}: split suspected, {service} has spans in other traces"
        )
    if known is not None:
        return f"{caller} called {service}, of which no span ever arrived: service without tracing, or wrong endpoint"
    return f"propagation broken between {caller} and {service}, or {service} does not export: split suspected"


def cause_of_orphans(tree: SpanTree) -> str:
    """Why spans have no parent although every expected service is there."""
    if not tree.orphans:
        names = " and ".join(dict.fromkeys(span.service for span in tree.roots)) or "none"
        return f"{len(tree.roots)} roots instead of one ({names}): a service took the trace id but no parent"
    orphan = tree.orphans[0]
    if not tree.roots and all(span.parent_id == orphan.parent_id for span in tree.orphans):
        return f"devenv's root span did not arrive, the parent of {orphan.service}'s {orphan.name!r}"
    source = _likely_source(orphan, tree)
    return f"exporter of {source} dropped the parent of {orphan.service}'s {orphan.name!r}"


def cause_of_split(trace: Trace | None, parts: Sequence[Trace]) -> str:
    """Between whom the context was lost, for a request of which parts stand in other traces."""
    first = min(parts, key=lambda part: part.start_ns)
    torn = first.spans[0].service
    caller = _caller_at(first, trace)
    return f"propagation broken between {caller} and {torn}: {torn}'s spans stand in a trace of their own"


def callee(span: Span) -> str | None:
    """The host name that a client span says it called, without its domain; ``None`` where it says nothing."""
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
    """The service with a call to ``service`` that nothing stands below; else one with any such call."""
    unanswered = [span for span in tree.spans.values() if span.kind in _CALLS and span.span_id not in tree.children]
    named = [span for span in unanswered if callee(span) == service]
    unnamed = [span for span in unanswered if callee(span) is None or _is_address(callee(span))]
    return next((span.service for span in [*named, *unnamed]), None)


def _is_address(host: str | None) -> bool:
    return host is not None and (host.isdigit() or host in _LOOPBACK)


def _caller_at(part: Trace, trace: Trace | None) -> str:
    """Who called at the time when a torn-off part began: the innermost call that spans its beginning."""
    calls = [
        span
        for span in (trace.spans if trace else ())
        if span.kind in _CALLS and span.start_ns <= part.start_ns <= span.end_ns
    ]
    if calls:
        return max(calls, key=lambda span: span.start_ns).service
    return next(iter(trace.services), OWN_SERVICE) if trace else OWN_SERVICE


def _likely_source(orphan: Span, tree: SpanTree) -> str:
    """Whose span is missing above an orphan: above a server span its caller's, above any other its own service's."""
    if orphan.kind not in {SpanKind.SERVER, SpanKind.CONSUMER}:
        return orphan.service
    around = [
        span
        for span in tree.spans.values()
        if span.service != orphan.service and span.start_ns <= orphan.start_ns and span.end_ns >= orphan.end_ns
    ]
    return max(around, key=lambda span: span.start_ns).service if around else f"the caller of {orphan.service}"
