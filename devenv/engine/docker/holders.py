"""Which containers hold what a request needs: a name, a network, a volume, a port."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from devenv.engine.docker.sdk_connection import SdkConnection
from devenv.engine.docker.translation import NoSuchObject
from devenv.model.identity import LABEL_DIRECTORY, LABEL_PROJECT


def described(name: str, labels: Mapping[str, str]) -> str:
    """Return a container's name with the project and the folder that it was started from, as far as its labels tell."""
    project = labels.get(LABEL_PROJECT)
    folder = labels.get(LABEL_DIRECTORY, "")
    if project is None:
        project = labels.get("com.docker.compose.project")
        folder = labels.get("com.docker.compose.project.working_dir", "")
    return f"container {name}" + (f" of project {project}" if project else "") + (f" in {folder}" if folder else "")


async def port_owner(connection: SdkConnection, port: int, protocol: str, *, but: str = "") -> str:
    """Return the container that publishes a port, with its project and folder; empty if there is none.

    Args:
        connection: to the engine.
        port: of the host.
        protocol: tcp, udp or sctp.
        but: ID of a container that is not meant.
    """
    containers = await connection.call(lambda client: client.containers(), doing="finding the port's owner")
    for entry in containers:
        published = {(binding.get("PublicPort"), binding.get("Type")) for binding in entry.get("Ports") or ()}
        if (port, protocol) in published and entry["Id"] != but:
            return _entry(entry)
    return ""


async def name_owner(connection: SdkConnection, name: str) -> str:
    """Return the container of a name, running or not, with its project and folder; empty if there is none."""
    try:
        found = await connection.call(lambda client: client.inspect_container(name), doing=f"looking for {name}")
    except NoSuchObject:
        return ""
    # The engine also finds a container by the beginning of its ID.
    own = found["Name"].lstrip("/")
    return described(own, found["Config"]["Labels"] or {}) if own == name else ""


async def network_users(connection: SdkConnection, network_id: str) -> tuple[str, ...]:
    """Return the running containers on a network, with their projects and folders."""
    return await _with(connection, {"network": network_id}, every=False)


async def volume_users(connection: SdkConnection, name: str) -> tuple[str, ...]:
    """Return the containers that mount a volume, running or not, with their projects and folders."""
    return await _with(connection, {"volume": name}, every=True)


async def _with(connection: SdkConnection, filters: Mapping[str, str], *, every: bool) -> tuple[str, ...]:
    containers: Iterable[Mapping[str, Any]] = await connection.call(
        lambda client: client.containers(all=every, filters=dict(filters)), doing="finding what uses it"
    )
    return tuple(sorted(_entry(entry) for entry in containers))


def _entry(entry: Mapping[str, Any]) -> str:
    return described(entry["Names"][0].lstrip("/"), entry.get("Labels") or {})
