"""Which services of a stack have set which endpoint for their spans."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.http.origin import split_endpoint

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from devenv.model.stack import Service, Stack

_ENDPOINTS = (
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_ZIPKIN_ENDPOINT",
    "OTEL_EXPORTER_JAEGER_ENDPOINT",
)


def sends_to(service: Service, hosts: AbstractSet[str]) -> bool:
    """Return whether a service has set an endpoint at one of ``hosts``, which are in lower case."""
    return any(host_of(service.environment.get(name, "")) in hosts for name in _ENDPOINTS)


def senders_to(stack: Stack, hosts: AbstractSet[str]) -> tuple[str, ...]:
    """Return the services that have set an endpoint at one of ``hosts``, in the stack's order."""
    return tuple(service.name for service in stack.services.values() if sends_to(service, hosts))


def host_of(endpoint: str) -> str:
    """Return the host of an endpoint in lower case; empty if it has none."""
    try:
        return (split_endpoint(endpoint).hostname or "").lower()
    except ValueError:
        return ""
