"""Likely causes of incomplete traces, as one-line messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Literal

from devenv.analysis.callees import CALLS, NO_CALLEES, Callees, callee
from devenv.analysis.tree import SpanTree
from devenv.http.origin import split_endpoint
from devenv.immutable import immutable
from devenv.model.span import Span, SpanKind
from devenv.model.trace import OWN_SERVICE, UNNAMED_SERVICE, Trace
from devenv.otlp.backend_ports import OTLP_GRPC_PORT, OTLP_HTTP_PORT

_CLOCKS_NS = 10**9
"""How far the clocks of two services may differ."""

_LOOPBACK = {"localhost", "127.0.0.1", "::1", "0.0.0.0"}  # noqa: S104 - names to recognise, nothing is bound

_TRACES_PATH = "/v1/traces"

BASE_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
TRACES_ENDPOINT = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"

Setting = Literal["instrument", "disabled", "exporter", "sampler", "protocol", "endpoint"]


@immutable(kw_only=True)
class Setup:
    """A service's tracing settings, as far as known: the values of its ``OTEL_*`` variables, ``""`` if unset.

    Attributes:
        endpoint_variable: the variable that the endpoint is from.
        isolated: its loopback interface is its own (a container's), not this machine's.
        disabled: the SDK is disabled.
        instrumented: ``False`` if the stack file excludes it from tracing.
        unknown_host: the endpoint's host name does not exist on the stack's networks.
        wrong_port: the endpoint is the trace backend's, at a port that does not accept spans.
        refused: the endpoint's host refuses connections from outside of it.
    """

    endpoint: str = ""
    endpoint_variable: str = ""
    protocol: str = ""
    sampler: str = ""
    sampler_argument: str = ""
    exporter: str = ""
    isolated: bool = False
    disabled: bool = False
    instrumented: bool = True
    unknown_host: bool = False
    wrong_port: bool = False
    refused: bool = False


@immutable()
class Fault:
    """What is wrong with a service's settings: the end of a sentence, and which setting is wrong."""

    text: str
    setting: Setting


def find_fault(setup: Setup) -> Fault | None:
    """The first fault in a service's settings; ``None`` if none is found."""
    if not setup.instrumented:
        return Fault("is not traced (x-devenv.instrument: false)", "instrument")
    if setup.disabled:
        return Fault("has tracing disabled (OTEL_SDK_DISABLED=true)", "disabled")
    if setup.exporter and "otlp" not in setup.exporter:
        return Fault(f"does not export traces over OTLP (OTEL_TRACES_EXPORTER={setup.exporter})", "exporter")
    if setup.sampler.removeprefix("parentbased_") == "always_off":
        return Fault(f"does not sample any trace (sampler {setup.sampler})", "sampler")
    if setup.sampler == "traceidratio" and not _is_one(setup.sampler_argument):
        text = "ignores the caller's sampling decision (sampler traceidratio instead of parentbased_traceidratio)"
        return Fault(text, "sampler")
    text = _endpoint_fault(setup)
    return Fault(text, "endpoint") if text else None


def fault_of(setup: Setup | None) -> str:
    """The fault in a service's settings, as the end of a sentence; empty if none is found."""
    fault = find_fault(setup) if setup is not None else None
    return fault.text if fault else ""


def _is_one(argument: str) -> bool:
    """Whether a sampler's argument means that all traces are sampled; a missing one does."""
    try:
        return float(argument or 1) >= 1
    except ValueError:
        return True  # an unreadable argument means the default


def _endpoint_fault(setup: Setup) -> str:
    if not setup.endpoint:
        return ""
    try:
        parts = split_endpoint(setup.endpoint)
        port = parts.port
    except ValueError:
        return f"exports to {setup.endpoint}, which is not a URL (wrong endpoint)"
    if setup.isolated and parts.hostname in _LOOPBACK:
        return f"exports to {setup.endpoint}, which is the container itself (loopback endpoint)"
    if port == OTLP_GRPC_PORT and setup.protocol.startswith("http"):
        return f"exports over {setup.protocol} to {setup.endpoint}, the gRPC port (wrong endpoint or protocol)"
    if port == OTLP_HTTP_PORT and setup.protocol == "grpc":
        return f"exports over gRPC to {setup.endpoint}, the HTTP port (wrong endpoint or protocol)"
    if setup.unknown_host:
        return f"exports to {setup.endpoint}, but {parts.hostname} is not a host name of this stack (wrong endpoint)"
    if setup.wrong_port:
        return f"exports to {setup.endpoint}, where the trace backend does not accept spans (wrong port)"
    return _path_fault(setup, parts.path, port) or _refusal(setup)


def _refusal(setup: Setup) -> str:
    if not setup.refused:
        return ""
    if setup.isolated:
        return (
            f"exports to {setup.endpoint}, which refuses connections (no receiver, or one bound to its own 127.0.0.1)"
        )
    return f"exports to {setup.endpoint}, but nothing listens there (no receiver, or wrong port)"


def _path_fault(setup: Setup, path: str, port: int | None) -> str:
    """What is wrong with an endpoint's scheme or path, for an exporter that certainly uses HTTP.

    Rules: https://opentelemetry.io/docs/specs/otel/protocol/exporter/#endpoint-urls-for-otlphttp
    """
    if setup.protocol == "grpc" or not (port == OTLP_HTTP_PORT or setup.protocol.startswith("http")):
        return ""
    if "//" not in setup.endpoint:
        return f"exports to {setup.endpoint}, which does not begin with http:// (wrong endpoint)"
    if setup.endpoint_variable == BASE_ENDPOINT and path.rstrip("/").endswith(_TRACES_PATH):
        return f"exports to {setup.endpoint}{_TRACES_PATH}: {BASE_ENDPOINT} is the URL without {_TRACES_PATH}"
    if setup.endpoint_variable == TRACES_ENDPOINT and port == OTLP_HTTP_PORT and path in {"", "/"}:
        return f"exports to {setup.endpoint}, not to {_TRACES_PATH}: {TRACES_ENDPOINT} is the complete URL"
    return ""


def cause_of_absence(
    trace: Trace | None,
    setups: Mapping[str, Setup],
    known: frozenset[str] | None,
    *,
    entrypoint: str = "",
    active: frozenset[str] | None = None,
) -> str:
    """Why no service has a span.

    Args:
        trace: what arrived: devenv's root span, or nothing.
        setups: the tracing settings of the services that need a span, and of the entry point.
        known: services that have any span in the backend; ``None`` if the backend was not asked.
        entrypoint: service name of the entry point's spans. It comes first: without its span, no other is reached.
        active: services with a span since the request began; ``None`` if the backend was not asked.
    """
    if fault := fault_of(setups.get(entrypoint)):
        return f"{entrypoint} {fault}"
    for service, setup in setups.items():
        if (fault := fault_of(setup)) and (setup.instrumented or not entrypoint):
            return f"{service} {fault}"
    if known is not None and not known - {OWN_SERVICE}:
        return "no service exports to this backend: no tracing, or wrong endpoint or protocol"
    if active is not None and not active - {OWN_SERVICE}:
        return "the backend has only spans from before this request: the exporters fail, or their endpoint is wrong"
    if trace is None:
        return "no span arrived, not even devenv's own: the backend rejected or evicted them"
    return "only devenv's root span arrived: the entry point is not traced, ignores traceparent, or cannot export"


def cause_of_missing(
    service: str,
    tree: SpanTree,
    setups: Mapping[str, Setup],
    known: frozenset[str] | None,
    active: frozenset[str] | None = None,
    *,
    joined: frozenset[str] = frozenset(),
    callees: Callees = NO_CALLEES,
    entrypoint: str = "",
) -> str:
    """Why ``service`` has no span in a trace that has others.

    Args:
        service: the missing service.
        tree: of the trace.
        setups: the services' tracing settings, as far as known.
        known: services that have any span in the backend; ``None`` if the backend was not asked.
        active: those of them with a span since the request began; ``None`` if the backend was not asked.
        joined: those of them that continued another request's trace since then, so propagation works.
        callees: the stack's services by address.
        entrypoint: service name of the entry point's spans; empty if unknown.
    """
    if fault := fault_of(setups.get(service)):
        return f"{service} {fault}"
    if name := _other_name(service, tree, callees, known=setups.keys() | callees.names, entrypoint=entrypoint):
        return _named_otherwise(service, name)
    caller = _caller_of(service, tree, callees)
    if below := _orphan_below(service, tree, callees):
        return (
            f"no span from {service}, but {below.service} received its context: {service}'s exporter probably dropped "
            "spans or cannot reach the backend"
        )
    if caller is None:
        return f"no span in the trace calls {service}: the request did not reach it, or the call is not traced"
    if known is not None and service in known and active is not None and service not in active:
        return (
            f"{caller} called {service}, but {service} has only spans from before this request: "
            "its exporter fails, or its endpoint is wrong"
        )
    if service in joined:
        return (
            f"{caller} called {service}, and {service} continues the traces of other requests: its spans of this one "
            "were probably dropped or not delivered"
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
    source = likely_source(orphan, tree)
    return f"the parent of {orphan.service}'s {orphan.name!r} did not arrive: probably dropped by {source}'s exporter"


def cause_of_split(trace: Trace | None, parts: Sequence[Trace]) -> str:
    """Between which services the context was lost, if parts of a request are in other traces."""
    first = min(parts, key=lambda part: part.start_ns)
    service = first.spans[0].service
    caller = _caller_at(first, trace)
    return f"propagation broken between {caller} and {service}: {service}'s spans are in a separate trace"


def _other_name(service: str, tree: SpanTree, callees: Callees, *, known: AbstractSet[str], entrypoint: str) -> str:
    """The service name of what answered a call to ``service``, if no service of the stack has it; else empty."""
    for span in tree.spans:
        is_entry = span.service == OWN_SERVICE and service == entrypoint
        if is_entry or service in (callees.called_by(span), callee(span)):
            for child in tree.below(span):
                if child.service not in known | {OWN_SERVICE, span.service}:
                    return child.service
    return ""


def _named_otherwise(service: str, name: str) -> str:
    if name.startswith(UNNAMED_SERVICE):
        return f"{service} sends its spans as {name}: it has no service name (set OTEL_SERVICE_NAME)"
    return (
        f"{service} sends its spans as {name}: its code sets that name (set OTEL_SERVICE_NAME in the stack file to it)"
    )


def _caller_of(service: str, tree: SpanTree, callees: Callees) -> str | None:
    """The service with a call to ``service`` that has no child span; else one with a call to an unknown host."""
    named, unnamed = _unanswered(service, tree, callees)
    return next((span.service for span in [*named, *unnamed]), None)


def _unanswered(service: str, tree: SpanTree, callees: Callees) -> tuple[list[Span], list[Span]]:
    """The calls without a child span: those to ``service``, and those to an unknown host."""
    unanswered = [span for span in tree.spans if span.kind in CALLS and span.span_id not in tree.children]
    named = [span for span in unanswered if service in (callees.called_by(span), callee(span))]
    others = [span for span in unanswered if callees.called_by(span) is None]
    return named, [span for span in others if callee(span) is None or _is_address(callee(span))]


def _orphan_below(service: str, tree: SpanTree, callees: Callees) -> Span | None:
    """An orphan that the missing ``service`` probably called: it began during an unanswered call to ``service``.

    If no call to ``service`` is known, any orphan of another service may be below it.
    """
    named, unnamed = _unanswered(service, tree, callees)
    orphans = [span for span in tree.orphans if span.span_id not in tree.cycles]
    if not (calls := [*named, *unnamed]):
        return next(iter(orphans), None)
    during = (
        span for span in orphans if any(call.start_ns <= span.start_ns <= call.end_ns + _CLOCKS_NS for call in calls)
    )
    return next(during, None)


def _is_address(host: str | None) -> bool:
    return host is not None and (host.isdigit() or host in _LOOPBACK)


def _caller_at(part: Trace, trace: Trace | None) -> str:
    """The service whose call was running when a separate part began: the innermost call at that time."""
    calls = [
        span
        for span in (trace.spans if trace else ())
        if span.kind in CALLS and span.start_ns <= part.start_ns <= span.end_ns
    ]
    if calls:
        return max(calls, key=lambda span: span.start_ns).service
    return next(iter(trace.services), OWN_SERVICE) if trace else OWN_SERVICE


def likely_source(orphan: Span, tree: SpanTree) -> str:
    """The service whose span is missing: for a server span its caller's, for any other span its own."""
    if orphan.kind not in {SpanKind.SERVER, SpanKind.CONSUMER}:
        return orphan.service
    around = [
        span
        for span in tree.spans
        if span.service != orphan.service and span.start_ns <= orphan.start_ns and span.end_ns >= orphan.end_ns
    ]
    return max(around, key=lambda span: span.start_ns).service if around else f"the caller of {orphan.service}"
