"""Networks and volumes."""

from __future__ import annotations

from typing import Any

from devenv.contract.specification import LABEL_KEY, NetworkSpec, VolumeSpec
from devenv.engine.docker.holders import network_users, volume_users
from devenv.engine.docker.sdk_connection import SdkConnection
from devenv.engine.docker.translation import Conflict, NoSuchObject
from devenv.errors import ConfigurationError, EngineRefused


async def create_network(connection: SdkConnection, spec: NetworkSpec) -> str:
    """Create a network, or find the one of that name that has the same labels."""
    network = spec.network
    labels = {**network.labels, **spec.labels, LABEL_KEY: network.key}

    def create(client: Any) -> str:
        from docker.types import IPAMConfig, IPAMPool

        pools = [
            IPAMPool(
                subnet=pool.subnet,
                gateway=pool.gateway,
                iprange=pool.ip_range,
                aux_addresses=dict(pool.aux_addresses) or None,
            )
            for pool in network.pools
        ]
        ipam = IPAMConfig(
            driver=network.ipam_driver or "default", pool_configs=pools, options=dict(network.ipam_options) or None
        )
        configured = pools or network.ipam_driver or network.ipam_options
        made = client.create_network(
            spec.name,
            driver=network.driver,
            options=dict(network.driver_opts) or None,
            ipam=ipam if configured else None,
            check_duplicate=True,
            internal=network.internal,
            labels=labels,
            enable_ipv6=network.enable_ipv6,
            attachable=network.attachable or None,
        )
        return str(made["Id"])

    if not network.enable_ipv4:
        raise ConfigurationError(
            f"network {network.key}: enable_ipv4: false requires API 1.48 (Docker Engine 28), "
            "which devenv does not use yet",
            key=f"networks.{network.key}.enable_ipv4",
            found="false",
            expected="true",
            hint="remove enable_ipv4: the network then has IPv4 addresses, too",
        )
    try:
        return await connection.call(create, doing=f"creating network {spec.name}")
    except Conflict:
        found = await connection.call(
            lambda client: client.inspect_network(spec.name), doing=f"inspecting network {spec.name}"
        )
        if (found.get("Labels") or {}) == labels:
            return str(found["Id"])
        raise EngineRefused(
            f"network {spec.name} already exists with other labels",
            hint=f"run `docker network rm {spec.name}`, or use another name in the stack file",
            details={"network": spec.name},
        ) from None


async def create_volume(connection: SdkConnection, spec: VolumeSpec) -> str:
    """Create a volume; the engine returns the existing one if there is one."""
    volume = spec.volume
    labels = {**volume.labels, **spec.labels, LABEL_KEY: volume.key}
    made = await connection.call(
        lambda client: client.create_volume(
            spec.name, driver=volume.driver, driver_opts=dict(volume.driver_opts) or None, labels=labels
        ),
        doing=f"creating volume {spec.name}",
    )
    return str(made["Name"])


async def remove_network(connection: SdkConnection, network_id: str) -> None:
    """Remove a network; a missing one is not an error.

    Raises:
        EngineRefused: If a container is on it; the message names it.
    """
    try:
        await connection.call(lambda client: client.remove_network(network_id), doing=f"removing network {network_id}")
    except NoSuchObject:
        return
    except EngineRefused as error:
        users = await network_users(connection, network_id)
        if not users:
            raise
        found = await connection.call(
            lambda client: client.inspect_network(network_id), doing=f"inspecting network {network_id}"
        )
        raise _in_use("network", str(found["Name"]), users, leave="disconnect") from error


async def remove_volume(connection: SdkConnection, name: str) -> None:
    """Remove a named volume; a missing one is not an error.

    Raises:
        EngineRefused: If a container mounts it; the message names it.
    """
    try:
        await connection.call(lambda client: client.remove_volume(name), doing=f"removing volume {name}")
    except NoSuchObject:
        return
    except Conflict as error:
        users = await volume_users(connection, name)
        if not users:
            raise
        raise _in_use("volume", name, users, leave="") from error


def _in_use(kind: str, name: str, users: tuple[str, ...], *, leave: str) -> EngineRefused:
    """The error for a network or volume that containers keep."""
    container = users[0].split(" ")[1]
    first = f"`docker network {leave} {name} {container}`, or " if leave else ""
    return EngineRefused(
        f"cannot remove {kind} {name}: in use by {', '.join(users)}",
        hint=f"run {first}`docker rm -f {container}`, then run `devenv down` again",
        details={kind: name, "users": list(users)},
    )
