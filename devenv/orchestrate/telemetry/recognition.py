"""Recognises a stack's own telemetry: collectors, and backends other than the one that devenv reads.

Jaeger is not among them: a service that is Jaeger, or has the role trace-backend, is devenv's own trace backend.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from devenv.immutable import immutable
from devenv.orchestrate.instrumentation.infrastructure import image_of, repository_name
from devenv.otlp.backend_ports import OTLP_GRPC_PORT, OTLP_HTTP_PORT

if TYPE_CHECKING:
    from devenv.model.stack import Service, Stack

Kind = Literal["collector", "alloy", "otel-lgtm", "signoz", "jaeger", "zipkin", "tempo", "aspire-dashboard", "receiver"]

OTLP_PORTS = (OTLP_GRPC_PORT, OTLP_HTTP_PORT)

_COLLECTOR_CONFIG = "/etc/otelcol/config.yaml"
IMAGES: dict[str, tuple[Kind, str]] = {
    "opentelemetry-collector": ("collector", _COLLECTOR_CONFIG),
    "opentelemetry-collector-contrib": ("collector", "/etc/otelcol-contrib/config.yaml"),
    "opentelemetry-collector-k8s": ("collector", "/etc/otelcol-k8s/config.yaml"),
    "opentelemetry-collector-otlp": ("collector", "/etc/otelcol-otlp/config.yaml"),
    "otel-collector": ("collector", ""),
    "otelcol": ("collector", ""),
    "otelcol-contrib": ("collector", ""),
    "aws-otel-collector": ("collector", ""),
    "splunk-otel-collector": ("collector", ""),
    "alloy": ("alloy", ""),
    "otel-lgtm": ("otel-lgtm", "/otel-lgtm/otelcol-config.yaml"),
    "signoz": ("signoz", ""),
    "signoz-otel-collector": ("collector", ""),
    "jaeger-collector": ("jaeger", ""),
    "jaeger-query": ("jaeger", ""),
    "jaeger-agent": ("jaeger", ""),
    "zipkin": ("zipkin", ""),
    "zipkin-slim": ("zipkin", ""),
    "tempo": ("tempo", ""),
    "aspire-dashboard": ("aspire-dashboard", ""),
}
"""By the last part of an image's name: what it is, and where its configuration is if its command does not say so."""


@immutable(kw_only=True)
class Telemetry:
    """What one service of the stack is.

    Attributes:
        kind: by its image, or its build's base image; ``receiver``: an image that is not known, with a port of OTLP.
        sign: what told.
        config: the path of its configuration if its command does not say so; empty: not known.
    """

    service: str
    kind: Kind
    sign: str
    config: str = ""

    @property
    def known(self) -> bool:
        """Whether it was recognised by its image, and so is certain to be no service of the user's."""
        return self.kind != "receiver"


def telemetry_of(service: Service) -> Telemetry | None:
    """Return what a service is: by its image, else by a port of OTLP; ``None`` if it has nothing of telemetry."""
    if service.x.role == "trace-backend":
        return None
    image = image_of(service)
    if found := IMAGES.get(repository_name(image)):
        kind, config = found
        return Telemetry(service=service.name, kind=kind, sign=f"image {image}", config=config)
    ports = [number for number in service.container_ports if number in OTLP_PORTS]
    if ports:
        return Telemetry(service=service.name, kind="receiver", sign=f"port {ports[0]}")
    return None


def own_telemetry(stack: Stack) -> tuple[Telemetry, ...]:
    """Return the telemetry of a stack in its order, without the trace backend that devenv reads."""
    backend = stack.trace_backend
    found = (telemetry_of(service) for service in stack.services.values() if service != backend)
    return tuple(item for item in found if item is not None)


def is_telemetry(service: Service) -> bool:
    """Return whether a service's image is known as telemetry: it gets no tracing variables and sends no spans."""
    found = telemetry_of(service)
    return found is not None and found.known


def host_names(service: Service) -> frozenset[str]:
    """Return the names under which other services reach ``service``, in lower case."""
    return frozenset(name.lower() for name in service.host_names)
