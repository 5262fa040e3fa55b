"""Reads each service's tracing settings from the stack, to explain incomplete traces and to warn before they occur."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import unquote

from devenv.analysis.causes import BASE_ENDPOINT, TRACES_ENDPOINT, Setup
from devenv.http.origin import split_endpoint
from devenv.model.state import State
from devenv.otlp.backend_ports import HEALTH_PORT, OTLP_GRPC_PORT, OTLP_HTTP_PORT, QUERY_PORT

if TYPE_CHECKING:
    from devenv.contract.capabilities import Capabilities
    from devenv.contract.engine import Engine
    from devenv.model.stack import Service, Stack
    from devenv.model.state import ObservedState

ENDPOINT_VARIABLES = (TRACES_ENDPOINT, BASE_ENDPOINT)
PROTOCOL_VARIABLES = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_ATTRIBUTES = "OTEL_RESOURCE_ATTRIBUTES"
_ONE_LABEL = re.compile(r"[A-Za-z0-9_-]*[A-Za-z_-][A-Za-z0-9_-]*")
"""A host name without dots: only such a name can be judged without asking DNS."""

_CONNECT_S = 1.0

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

_OWN_LOOPBACK = frozenset({None, "bridge", "none"})
"""Values of network_mode with which a container has its own loopback interface."""


def tracing_setups(stack: Stack, capabilities: Capabilities) -> dict[str, Setup]:
    """The tracing settings of the services by the service name of their spans.

    Only the settings in the file can be wrong: devenv adds the others.

    Args:
        stack: as in the file, before devenv adds tracing.
        capabilities: of the engine that the stack runs on.
    """
    return {
        name: setup_of(
            stack,
            stack.services[service],
            shared_loopback=capabilities.shared_loopback,
        )
        for name, service in names_in_spans(stack).items()
    }


async def with_refusals(
    setups: Mapping[str, Setup], stack: Stack, observed: ObservedState, engine: Engine
) -> dict[str, Setup]:
    """The same settings, marked where the endpoint refuses connections: one connection is tried to each.

    Asked are endpoints at services of the stack, as a collector's, and those of a loopback interface that services and
    this machine share. Only a refusal counts: silence may be a firewall's between this machine and the containers.
    """
    wanted = {setup.endpoint for setup in setups.values() if setup.endpoint}
    found = dict(
        zip(wanted, await asyncio.gather(*(_refuses(url, stack, observed, engine) for url in wanted)), strict=True)
    )
    return {name: replace(setup, refused=found.get(setup.endpoint, False)) for name, setup in setups.items()}


async def _refuses(url: str, stack: Stack, observed: ObservedState, engine: Engine) -> bool:
    host, port = _host_and_port(url)
    if not port:
        return False
    if host in _LOOPBACK:
        # The ports of the backend are rewritten if it has others on this machine.
        shared = engine.capabilities.shared_loopback and port not in {OTLP_GRPC_PORT, OTLP_HTTP_PORT}
        return shared and await _refuses_at(host, port)
    for service in stack.services.values():
        if host in {name.lower() for name in service.host_names}:
            running = [item.id for item in observed.of(service.name) if item.state is State.RUNNING]
            places = [await engine.endpoint(instance, port) for instance in running]
            reached = [place for place in places if place is not None]
            return bool(reached) and all([await _refuses_at(place.host, place.port) for place in reached])
    return False


async def _refuses_at(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(_CONNECT_S):
            _, writer = await asyncio.open_connection(host, port)
    except ConnectionRefusedError:
        return True
    except OSError:  # a timeout, too
        return False
    writer.close()
    return False


def names_in_spans(stack: Stack) -> dict[str, str]:
    """The services by the service name of their spans, without the trace backend."""
    backend = stack.trace_backend
    return {name_in_spans(service): service.name for service in stack.services.values() if service != backend}


def name_in_spans(service: Service) -> str:
    """The service name of a service's spans, as far as its environment decides it.

    Values of ``OTEL_RESOURCE_ATTRIBUTES`` can be percent-encoded; SDKs decode them.
    """
    own = service.environment
    if name := own.get("OTEL_SERVICE_NAME"):
        return name
    pairs = (pair.partition("=") for pair in own.get(_ATTRIBUTES, "").split(","))
    named = (unquote(value.strip()) for key, _, value in pairs if key.strip() == "service.name")
    return next(filter(None, named), service.name)


def is_traced(service: Service) -> bool:
    """Whether the stack file leaves tracing of a service on: neither excluded nor the trace backend."""
    return service.x.instrument and service.x.role != "trace-backend"


def setup_of(stack: Stack, service: Service, *, shared_loopback: bool) -> Setup:
    """The tracing settings of one service.

    Args:
        stack: the whole stack, for its host names.
        service: one of its services.
        shared_loopback: 127.0.0.1 is the same for the service and for this machine.
    """
    own = service.environment
    endpoint = _first(own, *ENDPOINT_VARIABLES)
    return Setup(
        endpoint=endpoint,
        endpoint_variable=next((name for name in ENDPOINT_VARIABLES if own.get(name)), ""),
        protocol=_first(own, *PROTOCOL_VARIABLES),
        sampler=own.get("OTEL_TRACES_SAMPLER", ""),
        sampler_argument=own.get("OTEL_TRACES_SAMPLER_ARG", ""),
        exporter=own.get("OTEL_TRACES_EXPORTER", ""),
        disabled=own.get("OTEL_SDK_DISABLED", "").strip().lower() == "true",
        isolated=not shared_loopback and service.network_mode in _OWN_LOOPBACK,
        instrumented=service.x.instrument,
        unknown_host=bool(endpoint) and _is_unknown(_host_and_port(endpoint)[0], stack, service),
        wrong_port=bool(endpoint) and _is_no_receiver(endpoint, stack, service, shared_loopback=shared_loopback),
    )


def _is_no_receiver(endpoint: str, stack: Stack, service: Service, *, shared_loopback: bool) -> bool:
    """Whether an endpoint certainly is a port of the trace backend that accepts no spans.

    By the backend's name, any other port than those of OTLP is, if devenv configures the backend. On a loopback
    interface that both share, only its query and health ports are: another program may listen on the others.
    """
    from devenv.orchestrate.jaeger import added_backend, is_managed

    host, port = _host_and_port(endpoint)
    backend = stack.trace_backend or added_backend(stack.x)
    if not is_managed(backend) or service.name == backend.name:
        return False
    if shared_loopback and host in _LOOPBACK:
        published = {item.container: item.host for item in backend.ports if item.host}
        return port in {published.get(number, number) for number in (QUERY_PORT, HEALTH_PORT)}
    return host in {name.lower() for name in backend.host_names} and port not in {OTLP_GRPC_PORT, OTLP_HTTP_PORT}


def _is_unknown(host: str, stack: Stack, service: Service) -> bool:
    """Whether a host name cannot exist for a service: it has no dot, and nothing in the stack has this name."""
    if not _ONE_LABEL.fullmatch(host) or host == "localhost" or service.network_mode is not None:
        return False
    if any(stack.networks[item.network].external for item in service.networks if item.network in stack.networks):
        return False  # a container outside of the stack may have the name
    known = {service.hostname, *service.extra_hosts, *stack.inactive}
    for other in stack.services.values():
        known.update(other.host_names)
    if stack.trace_backend is None:
        from devenv.orchestrate.instrument import ADDED_BACKEND

        known.add(ADDED_BACKEND)
    return host.lower() not in {name.lower() for name in known if name}


def _host_and_port(endpoint: str) -> tuple[str, int | None]:
    """The host in lowercase, empty if the endpoint is not a URL."""
    try:
        parts = split_endpoint(endpoint)
        return (parts.hostname or "").lower(), parts.port
    except ValueError:
        return "", None


def _first(environment: Mapping[str, str], *names: str) -> str:
    return next((environment[name] for name in names if environment.get(name)), "")
