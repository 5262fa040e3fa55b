"""Names and labels of everything that devenv creates, derived so that other commands find it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from devenv.model.identity import (
    LABEL_CONFIG_HASH,
    LABEL_DIRECTORY,
    LABEL_INSTANCE,
    LABEL_PROJECT,
    LABEL_ROLE,
    LABEL_SERVICE,
    LABEL_STACK,
    Project,
)
from devenv.orchestrate.entry.callers import uncalled
from devenv.orchestrate.hook_labels import pre_stop_label
from devenv.orchestrate.instrumentation.infrastructure import kind_of_image
from devenv.orchestrate.telemetry.recognition import telemetry_of

if TYPE_CHECKING:
    from devenv.model.stack import Network, Service, Stack, Volume

LABEL_CONFIG_FIELDS = "devenv.config-fields"
"""Short hash of each field of the configuration, so that a replacement can name what changed."""

LABEL_DEPENDS_ON = "devenv.depends-on"
"""Services that an instance depends on, joined by commas: the order of ``down`` without a stack file."""

LABEL_PORTS = "devenv.ports"
"""Published ports as allocated, which the configuration hash leaves out."""


def instance_name(project: Project, service: Service, index: int) -> str:
    """Return the name of an instance; also its ``service.instance.id`` in traces."""
    return service.container_name or f"{project.id}-{service.name}-{index}"


def network_name(project: Project, network: Network) -> str:
    """Return the name of a network at the engine."""
    return network.name or (network.key if network.external else f"{project.id}_{network.key}")


def volume_name(project: Project, volume: Volume) -> str:
    """Return the name of a named volume at the engine."""
    return volume.name or (volume.key if volume.external else f"{project.id}_{volume.key}")


def image_tag(project: Project, service: Service) -> str:
    """Return the image reference that a service runs: its ``image``, else the tag of its build."""
    return service.image or f"{project.id}-{service.name}:latest"


def stack_label(stack: Stack) -> str:
    """Return the value of the stack label: the files, relative to the stack's directory if they are in it."""
    names = []
    for file in stack.files:
        inside = file.is_relative_to(stack.directory)
        names.append(str(file.relative_to(stack.directory)) if inside else str(file))
    return ",".join(names)


def project_labels(project: Project, stack: Stack, config_hash: str) -> dict[str, str]:
    """Return the labels of a network or volume."""
    return {
        LABEL_PROJECT: project.id,
        LABEL_DIRECTORY: str(project.directory),
        LABEL_STACK: stack_label(stack),
        LABEL_CONFIG_HASH: config_hash,
    }


def instance_labels(
    project: Project, stack: Stack, service: Service, index: int, *, config_hash: str, fields: Mapping[str, str]
) -> dict[str, str]:
    """Return the labels of an instance, the service's own included."""
    labels = {
        **service.labels,
        **project_labels(project, stack, config_hash),
        LABEL_SERVICE: service.name,
        LABEL_INSTANCE: str(index),
        LABEL_CONFIG_FIELDS: ",".join(f"{name}:{digest}" for name, digest in sorted(fields.items())),
        LABEL_DEPENDS_ON: ",".join(dict.fromkeys(_outlived_by(stack, service))),
        LABEL_PORTS: ports_text(service),
    }
    if roles := roles_of(stack, service):
        labels[LABEL_ROLE] = ",".join(roles)
    return labels | pre_stop_label(service)


def _outlived_by(stack: Stack, service: Service) -> Iterator[str]:
    """Services that stop after ``service``: its dependencies, and a trace backend that stores its last spans."""
    yield from (dependency.service for dependency in service.depends_on)
    backend = stack.trace_backend
    if backend is not None and backend.name != service.name and any(m.kind == "volume" for m in backend.mounts):
        yield backend.name


def ports_text(service: Service) -> str:
    """Return the published ports of a service in one line: ``address:host:container/protocol``, joined by commas."""
    return ",".join(f"{p.address or ''}:{p.host or ''}:{p.container}/{p.protocol}" for p in service.ports)


def roles_of(stack: Stack, service: Service) -> tuple[str, ...]:
    """Return the roles of a service: entry point of requests, trace backend, both or neither."""
    backend = stack.trace_backend
    roles = []
    if service.name == entrypoint_of(stack):
        roles.append("entrypoint")
    if backend is not None and backend.name == service.name:
        roles.append("trace-backend")
    return tuple(roles)


def entrypoint_of(stack: Stack) -> str | None:
    """Return the entry point: as declared, else the only one of :func:`entry_candidates`."""
    if stack.x.entrypoint is not None:
        return stack.x.entrypoint
    candidates = entry_candidates(stack)
    return candidates[0] if len(candidates) == 1 else None


def entry_candidates(stack: Stack) -> tuple[str, ...]:
    """Return the services that could be the entry point: they publish a port, and nothing else in the stack calls them.

    Databases, brokers and tools are left out if anything else publishes a port. If each calls another, all could be.
    """
    publishing = _publishing_services(stack)
    publishing = tuple(name for name in publishing if not _is_infrastructure(stack.services[name])) or publishing
    return (uncalled(stack, publishing) or publishing) if len(publishing) > 1 else publishing


def _is_infrastructure(service: Service) -> bool:
    """By the image alone: this is asked for each instance, so no Dockerfile is read."""
    return service.build is None and kind_of_image(service.image or "") not in {None, "web server"}


def _publishing_services(stack: Stack) -> tuple[str, ...]:
    """The services that publish a port and have no role."""
    backend = stack.trace_backend
    return tuple(
        service.name
        for service in stack.services.values()
        if service.ports
        and service.x.role is None
        and (backend is None or service.name != backend.name)
        and telemetry_of(service) is None
    )


def fields_of(labels: Mapping[str, str]) -> dict[str, str]:
    """Return the short hashes by field from the labels of an instance."""
    pairs = (entry.partition(":") for entry in labels.get(LABEL_CONFIG_FIELDS, "").split(",") if entry)
    return {name: digest for name, _, digest in pairs}


def dependencies_of(labels: Mapping[str, str]) -> tuple[str, ...]:
    """Return the services that an instance depends on, from its labels."""
    return tuple(name for name in labels.get(LABEL_DEPENDS_ON, "").split(",") if name)
