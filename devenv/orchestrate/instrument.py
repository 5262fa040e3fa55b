"""Adds the trace backend and the ``OTEL_*`` variables to a stack, without a change of its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from devenv.errors import ConfigurationError, Location
from devenv.http.origin import endpoint_port
from devenv.model import stack as model
from devenv.model.extension import Sampling
from devenv.model.stack import Network, Stack
from devenv.orchestrate.jaeger import (
    ADDED_BACKEND,
    added_backend,
    attached,
    configured,
    is_managed,
)
from devenv.orchestrate.naming import instance_name
from devenv.orchestrate.telemetry.collectors import with_copies
from devenv.orchestrate.telemetry.recognition import host_names, is_telemetry, own_telemetry
from devenv.orchestrate.telemetry.senders import sends_to
from devenv.orchestrate.telemetry.stand_in import with_stand_in
from devenv.otlp.backend_ports import EMBEDDED_PORTS, OTLP_GRPC_PORT, OTLP_HTTP_PORT, SAMPLING_PORT

if TYPE_CHECKING:
    from devenv.contract.capabilities import BackendKind
    from devenv.model.identity import Project
    from devenv.model.stack import Service

__all__ = ["ADDED_BACKEND", "instance_environment", "instrument"]

EXPORT_NETWORK = "devenv"
"""Key of the network that is added if all networks of the stack are internal, because those publish no ports."""

METRIC_INTERVAL_MS = "10000"
"""As often as the embedded backend keeps values; the default of SDKs is a minute."""

POLLING_MS = 5000
"""Between two requests for the sampling strategy, as the specification of the remote sampler has it."""

_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_PROTOCOL = "OTEL_EXPORTER_OTLP_PROTOCOL"
_TRACES_ENDPOINT = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
_TRACES_PROTOCOL = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
_ATTRIBUTES = "OTEL_RESOURCE_ATTRIBUTES"
_UNREACHABLE_MODES = frozenset({"none", "bridge"})


def instrument(stack: Stack, *, backend: BackendKind) -> Stack:
    """Return ``stack`` with a trace backend, and with the tracing variables that services do not set themselves.

    On the process engine the service with the role trace-backend represents the embedded backend: the engine starts
    nothing for it and rewrites its host name, as it does for every service.

    Args:
        stack: as resolved from its files.
        backend: the kind of the trace backend.

    Raises:
        ConfigurationError: If another service has the name of the one to be added.
    """
    found = stack.trace_backend
    if found is None:
        stack = _with_added_backend(stack)
        found = stack.services[ADDED_BACKEND]
    stack = _with_backend_set_up(stack, found, backend)
    stack = with_copies(stack) if backend == "jaeger" else with_stand_in(stack)
    signals = _signals(found, backend)
    elsewhere = {name for item in own_telemetry(stack) for name in host_names(stack.services[item.service])}
    services: dict[str, Service] = {}
    warnings: list[model.StackWarning] = []
    if stack.x.jaeger.storage == "badger" and backend == "jaeger" and not is_managed(found):
        text = (
            f"{found.name} has its own configuration, which decides where the traces are: storage and --persist do not"
        )
        warnings.append(model.StackWarning(message=text, location=found.location))
    for service in stack.services.values():
        if service.name == found.name or not service.x.instrument or is_telemetry(service):
            services[service.name] = service
            continue
        settings = {} if sends_to(service, elsewhere) else signals
        services[service.name], stated = _with_tracing(service, found.name, stack, settings)
        warnings += [model.StackWarning(message=text, location=service.location) for text in stated]
    return replace(stack, services=services, warnings=(*stack.warnings, *warnings))


def check_access(stack: Stack, backend: BackendKind) -> None:
    """Refuse ``x-devenv.backend.access: token`` for a backend that asks for none.

    Raises:
        ConfigurationError: If it is not the embedded backend.
    """
    if stack.x.backend.access == "token" and backend != "embedded":
        raise ConfigurationError(
            "access: token is not possible with Jaeger, which has no login",
            location=Location(str(stack.files[0])) if stack.files else None,
            key="x-devenv.backend.access",
            expected="open, or token with the process engine",
            hint="use --engine process, or remove the key and close the port with a firewall (docs/monitoring.md)",
        )


def is_jaeger(service: Service) -> bool:
    """Return whether a backend is Jaeger by its image, and so accepts no metrics and no logs."""
    return "jaegertracing/" in (service.image or "")


def instance_environment(project: Project, service: Service, index: int, *, traced: bool) -> Mapping[str, str]:
    """Return the environment of one instance: the service's, with ``service.instance.id`` if it is ``traced``."""
    attributes = service.environment.get(_ATTRIBUTES, "")
    if not traced or "service.instance.id=" in attributes:
        return service.environment
    own = f"service.instance.id={instance_name(project, service, index)}"
    return {**service.environment, _ATTRIBUTES: f"{attributes},{own}" if attributes else own}


def is_traced(stack: Stack, service: Service) -> bool:
    """Return whether devenv sets tracing variables for ``service``."""
    backend = stack.trace_backend
    return service.x.instrument and (backend is None or backend.name != service.name) and not is_telemetry(service)


def _signals(backend: Service, kind: BackendKind) -> Mapping[str, str]:
    """The variables for the signals that the backend does not store, and for the interval of those that it does."""
    if kind == "embedded":
        return {"OTEL_METRIC_EXPORT_INTERVAL": METRIC_INTERVAL_MS}
    return {"OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"} if is_jaeger(backend) else {}


def _with_added_backend(stack: Stack) -> Stack:
    taken = stack.services.get(ADDED_BACKEND)
    if taken is not None or ADDED_BACKEND in stack.inactive:
        raise ConfigurationError(
            f"service {ADDED_BACKEND} is not marked as the trace backend, "
            "and devenv needs that name for the one it adds",
            location=taken.location if taken else None,
            key=f"services.{ADDED_BACKEND}",
            hint="set `x-devenv: {role: trace-backend}` on the service that receives traces, or rename this one",
        )
    added = added_backend(stack.x)
    return replace(stack, services={**stack.services, added.name: added})


def _with_backend_set_up(stack: Stack, backend: Service, kind: BackendKind) -> Stack:
    """Attach the backend to every network; add its configuration if devenv manages it."""
    networks = dict(stack.networks)
    if backend.network_mode is None and not any(not network.internal for network in networks.values()):
        key = "default" if not networks else EXPORT_NETWORK
        networks[key] = Network(key=key)
    stack = replace(stack, networks=networks)
    service = attached(backend, networks)
    if kind == "embedded":  # a port that it does not listen on may be in use
        listens = (*EMBEDDED_PORTS, SAMPLING_PORT) if isinstance(stack.x.sampling, Sampling) else EMBEDDED_PORTS
        service = replace(service, ports=tuple(port for port in service.ports if port.container in listens))
    if kind == "jaeger" and is_managed(service):
        stack, service = configured(stack, service)
    return replace(stack, services={**stack.services, service.name: service})


def _with_tracing(
    service: Service, backend: str, stack: Stack, signals: Mapping[str, str]
) -> tuple[Service, tuple[str, ...]]:
    """The service with the variables that it does not set itself, and warnings about what cannot work."""
    own = service.environment
    host = _backend_host(service, backend)
    added = {
        **(_export_settings(own, host) if host else {}),
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        **signals,
        **_sampling(stack.x.sampling, service.name, host),
    }
    if "service.name=" not in own.get(_ATTRIBUTES, ""):
        added["OTEL_SERVICE_NAME"] = service.name
    if "OTEL_TRACES_SAMPLER" in own:
        added.pop("OTEL_TRACES_SAMPLER_ARG", None)
    warning = (
        f"{service.name} has network_mode {service.network_mode}, which cannot resolve the trace backend's name: "
        f"set {_ENDPOINT} or x-devenv.instrument: false"
    )
    traced = replace(service, environment={**added, **own})
    return traced, (warning,) if host is None and _ENDPOINT not in own else ()


def _backend_host(service: Service, backend: str) -> str | None:
    """Host name of the backend for ``service``; ``None`` if it cannot reach it by name."""
    if service.network_mode == "host":
        return "127.0.0.1"
    return None if service.network_mode in _UNREACHABLE_MODES else backend


def _export_settings(own: Mapping[str, str], host: str) -> dict[str, str]:
    """Endpoint and protocol that fit the service's own settings."""
    if _ENDPOINT in own:
        settings = {_PROTOCOL: _protocol_of(own[_ENDPOINT])}
    elif _chosen_protocol(own) == "grpc":
        settings = {_ENDPOINT: f"http://{host}:{OTLP_GRPC_PORT}"}
    else:
        settings = {_ENDPOINT: f"http://{host}:{OTLP_HTTP_PORT}", _PROTOCOL: "http/protobuf"}
    traces = own.get(_TRACES_ENDPOINT)
    if traces and not _chosen_protocol(own) and _protocol_of(traces) != settings[_PROTOCOL]:
        settings[_TRACES_PROTOCOL] = _protocol_of(traces)
    return settings


def _chosen_protocol(own: Mapping[str, str]) -> str:
    return own.get(_TRACES_PROTOCOL) or own.get(_PROTOCOL) or ""


def _protocol_of(endpoint: str) -> str:
    """The protocol that an endpoint's port stands for."""
    return "grpc" if endpoint_port(endpoint) == OTLP_GRPC_PORT else "http/protobuf"


def _sampling(sampling: float | Sampling | None, service: str, host: str | None) -> dict[str, str]:
    """The sampler of a service; only one with ratios for operations has to poll for them."""
    if sampling is None:
        return {}
    ratio = sampling.ratio(service) if isinstance(sampling, Sampling) else sampling
    if isinstance(sampling, Sampling) and sampling.operations(service) and host is not None:
        argument = (
            f"endpoint=http://{host}:{SAMPLING_PORT},pollingIntervalMs={POLLING_MS},initialSamplingRate={ratio:g}"
        )
        return {"OTEL_TRACES_SAMPLER": "parentbased_jaeger_remote", "OTEL_TRACES_SAMPLER_ARG": argument}
    return {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": f"{ratio:g}"}
