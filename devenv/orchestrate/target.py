"""The target state of a project, with everything that a plan compares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from typing import TYPE_CHECKING

from devenv.immutable import immutable
from devenv.orchestrate.fingerprint import Fingerprint, network_digest, service_fingerprint, volume_digest
from devenv.orchestrate.image_tasks import mounted_images
from devenv.orchestrate.naming import image_tag, network_name, volume_name

if TYPE_CHECKING:
    from devenv.contract.capabilities import Capabilities
    from devenv.model.identity import Project
    from devenv.model.stack import Service, Stack
    from devenv.orchestrate.instrumentation.decision import ServiceTracing

UNKNOWN_IMAGE = "?"
"""Placeholder for the ID of a missing image, so that a plan can be made before its build."""


@immutable(kw_only=True)
class WantedObject:
    """A network or volume of the target; ``name`` at the engine, ``digest`` of its definition."""

    name: str
    digest: str


@immutable(kw_only=True)
class Target:
    """The target state.

    Attributes:
        stack: with tracing, and with the ports to publish.
        services: names of those in question, in the stack's order.
        whole: the target is the whole stack, so everything else of the project is removed.
        prints: fingerprint by service, from before ports were allocated.
        networks: by key, without external ones; likewise ``volumes``.
        renewed: services whose instances are replaced even if nothing changed.
        tracing: who traces the services, by service.
        printed: the stack that the fingerprints are of: with the ports of its files.
    """

    project: Project
    stack: Stack
    services: tuple[str, ...]
    whole: bool
    prints: Mapping[str, Fingerprint]
    networks: Mapping[str, WantedObject]
    volumes: Mapping[str, WantedObject]
    renewed: frozenset[str] = frozenset()
    tracing: Mapping[str, ServiceTracing] = field(default_factory=dict)
    printed: Stack | None = None

    def with_stack(self, stack: Stack) -> Target:
        """Return the same target with a stack that differs only in its ports, which are not in the fingerprint."""
        return replace(self, stack=stack, printed=self.printed or self.stack)

    def with_renewed(self, services: tuple[str, ...]) -> Target:
        """Return the same target with services whose instances are replaced in any case."""
        return replace(self, renewed=frozenset(services))

    def with_images(
        self, ids: Mapping[str, str | None], tracing: Mapping[str, ServiceTracing], capabilities: Capabilities
    ) -> Target:
        """Return the same target with the image IDs ``ids``, and the ``tracing`` that the images decide."""
        prints = _prints(self.project, self.printed or self.stack, self.services, ids, tracing, capabilities)
        return replace(self, prints=prints, tracing=tracing)


def make_target(
    project: Project,
    stack: Stack,
    services: tuple[str, ...],
    *,
    whole: bool,
    ids: Mapping[str, str | None],
    capabilities: Capabilities,
    tracing: Mapping[str, ServiceTracing] | None = None,
) -> Target:
    """Return the target for ``services``; it has networks and volumes only if the engine creates them."""
    chosen = [stack.services[name] for name in services]
    return Target(
        project=project,
        stack=stack,
        services=services,
        whole=whole,
        prints=_prints(project, stack, services, ids, tracing or {}, capabilities),
        networks=_networks(project, stack, chosen) if capabilities.networks else {},
        volumes=_volumes(project, stack, chosen) if capabilities.volumes else {},
        tracing=tracing or {},
    )


def _prints(
    project: Project,
    stack: Stack,
    services: tuple[str, ...],
    ids: Mapping[str, str | None],
    tracing: Mapping[str, ServiceTracing],
    capabilities: Capabilities,
) -> dict[str, Fingerprint]:
    absent = UNKNOWN_IMAGE if capabilities.images else ""
    return {
        name: service_fingerprint(
            project,
            stack,
            stack.services[name],
            image_id=ids.get(image_tag(project, stack.services[name])) or absent,
            mounted={reference: ids.get(reference) or absent for reference in mounted_images(stack.services[name])},
            processes=capabilities.processes,
            injection=tracing[name].injection if name in tracing else None,
        )
        for name in services
    }


def _networks(project: Project, stack: Stack, services: list[Service]) -> dict[str, WantedObject]:
    used = {attachment.network for service in services for attachment in service.networks}
    return {
        key: WantedObject(name=network_name(project, network), digest=network_digest(network))
        for key, network in stack.networks.items()
        if key in used and not network.external
    }


def _volumes(project: Project, stack: Stack, services: list[Service]) -> dict[str, WantedObject]:
    used = {mount.source for service in services for mount in service.mounts if mount.kind == "volume"}
    return {
        key: WantedObject(name=volume_name(project, volume), digest=volume_digest(volume))
        for key, volume in stack.volumes.items()
        if key in used and not volume.external
    }
