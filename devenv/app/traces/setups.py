"""Reads each service's tracing settings from the stack, to explain incomplete traces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from devenv.analysis.causes import Setup

if TYPE_CHECKING:
    from devenv.contract.capabilities import Capabilities
    from devenv.model.stack import Service, Stack


def tracing_setups(stack: Stack, capabilities: Capabilities) -> dict[str, Setup]:
    """The tracing settings of the services by the service name of their spans.

    Only the settings in the file can be wrong: devenv adds the others.

    Args:
        stack: as in the file, before devenv adds tracing.
        capabilities: of the engine that the stack runs on.
    """
    return {name: _setup(stack.services[service], capabilities) for name, service in span_names(stack).items()}


def span_names(stack: Stack) -> dict[str, str]:
    """The services by the service name of their spans, without the trace backend."""
    backend = stack.trace_backend
    return {
        service.environment.get("OTEL_SERVICE_NAME") or service.name: service.name
        for service in stack.services.values()
        if service != backend
    }


def _setup(service: Service, capabilities: Capabilities) -> Setup:
    own = service.environment
    shares_loopback = capabilities.shared_loopback or service.network_mode == "host"
    return Setup(
        endpoint=_first(own, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        protocol=_first(own, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"),
        sampler=own.get("OTEL_TRACES_SAMPLER", ""),
        sampler_argument=own.get("OTEL_TRACES_SAMPLER_ARG", ""),
        exporter=own.get("OTEL_TRACES_EXPORTER", ""),
        disabled=own.get("OTEL_SDK_DISABLED", "").strip().lower() == "true",
        isolated=not shares_loopback,
        instrumented=service.x.instrument,
        takes_grpc=capabilities.trace_backend != "embedded",
    )


def _first(environment: Mapping[str, str], *names: str) -> str:
    return next((environment[name] for name in names if environment.get(name)), "")
