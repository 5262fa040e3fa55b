"""The error for a container name that something else has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.errors import NameTaken

if TYPE_CHECKING:
    from devenv.model.stack import Service


def name_taken(service: Service, name: str, owner: str) -> NameTaken:
    """Return the error for an instance of ``service`` whose ``name`` is held by ``owner``, a container described."""
    place = f"{service.location}: " if service.location.line else ""
    own = service.container_name == name
    change = f", or change container_name of {service.name}" if own else ""
    return NameTaken(
        f"{place}the container name {name} of {service.name} is in use by {owner}",
        hint=f"remove that container with `docker rm -f {name}`{change}",
        details={"name": name, "service": service.name, "owner": owner},
    )
