"""Readiness probes in the project's record: from services to JSON and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devenv.model.stack import Service


def probe_of(service: Service) -> dict[str, Any] | None:
    """What :func:`services_with_probes` needs of a service; ``None`` if ``x-devenv.ready`` declares no probe."""
    if service.x.ready is None or not service.x.ready.has_probe:
        return None
    return {
        "ready": service.x.ready.model_dump(mode="json", exclude_none=True),
        "ports": list(service.container_ports),
    }


def services_with_probes(probes: Mapping[str, Any]) -> dict[str, Service]:
    """Services with only their probe and ports, by name."""
    from devenv.errors import Location
    from devenv.model.extension import ServiceExtension
    from devenv.model.stack import Service

    return {
        name: Service(
            name=name,
            x=ServiceExtension.model_validate({"ready": probe["ready"]}),
            location=Location("the project's record"),
            expose=tuple(probe["ports"]),
        )
        for name, probe in probes.items()
    }
