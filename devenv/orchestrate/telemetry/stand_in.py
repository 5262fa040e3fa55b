"""On local processes: devenv's embedded backend stands in for the telemetry that only an image has.

Its services are not started. Their names lead to the backend, so that what is sent to them arrives there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from devenv.http.origin import endpoint_port
from devenv.model.stack import Attachment
from devenv.orchestrate.telemetry.recognition import host_names, is_telemetry
from devenv.orchestrate.telemetry.senders import host_of, senders_to
from devenv.otlp.backend_ports import OTLP_GRPC_PORT, OTLP_HTTP_PORT

if TYPE_CHECKING:
    from devenv.model.stack import Service, Stack

_SIGNALS = ("", "TRACES_")


def replaced_services(stack: Stack) -> tuple[str, ...]:
    """Return the telemetry services that cannot run as processes: known by their image, without x-devenv.process."""
    backend = stack.trace_backend
    return tuple(
        service.name
        for service in stack.services.values()
        if service != backend and service.x.process is None and is_telemetry(service)
    )


def with_stand_in(stack: Stack) -> Stack:
    """Return ``stack`` without those services, and with their names at the trace backend, which it has."""
    gone = replaced_services(stack)
    backend = stack.trace_backend
    if backend is None or not gone:
        return stack
    names = frozenset[str]().union(*(host_names(stack.services[name]) for name in gone))
    services = {
        service.name: _with_http(_without_dependencies(service, gone), names)
        for service in stack.services.values()
        if service.name not in gone
    }
    first, *others = backend.networks or (Attachment(network="default"),)
    known = replace(first, aliases=(*first.aliases, *sorted(names)))
    services[backend.name] = replace(services[backend.name], networks=(known, *others))
    return replace(stack, services=services)


def stand_in_notes(stack: Stack) -> tuple[str, ...]:
    """Return one line for each service that is not started.

    Args:
        stack: as resolved from its files.
    """
    lines = []
    for name in replaced_services(stack):
        senders = senders_to(stack, host_names(stack.services[name]))
        what = f": {', '.join(senders)} {'sends' if len(senders) == 1 else 'send'} to devenv's backend directly"
        lines.append(f"{name} is not started as a process{what if senders else ''}")
    return tuple(lines)


def _without_dependencies(service: Service, gone: tuple[str, ...]) -> Service:
    kept = tuple(dependency for dependency in service.depends_on if dependency.service not in gone)
    return replace(service, depends_on=kept)


def _with_http(service: Service, names: frozenset[str]) -> Service:
    """``service`` with OTLP over HTTP to ``names``, unless it asks for gRPC in so many words."""
    changed: dict[str, str] = {}
    for signal in _SIGNALS:
        variable, protocol = f"OTEL_EXPORTER_OTLP_{signal}ENDPOINT", f"OTEL_EXPORTER_OTLP_{signal}PROTOCOL"
        endpoint = service.environment.get(variable, "")
        if (
            host_of(endpoint) not in names
            or endpoint_port(endpoint) != OTLP_GRPC_PORT
            or _protocol(service.environment, protocol)
        ):
            continue
        path = "/v1/traces" if signal else ""
        changed |= {variable: f"http://{host_of(endpoint)}:{OTLP_HTTP_PORT}{path}", protocol: "http/protobuf"}
    return replace(service, environment={**service.environment, **changed}) if changed else service


def _protocol(environment: Mapping[str, str], name: str) -> str:
    return environment.get(name) or environment.get("OTEL_EXPORTER_OTLP_PROTOCOL") or ""
