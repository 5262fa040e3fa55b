"""Containers: create, start, stop, kill, remove; the way to their ports."""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from devenv.contract.answers import Endpoint
from devenv.contract.name_taken import name_taken
from devenv.contract.specification import InstanceSpec
from devenv.engine.docker.archive import archives
from devenv.engine.docker.configuration import by_priority, container_config, endpoint_settings
from devenv.engine.docker.holders import name_owner, port_owner
from devenv.engine.docker.inspections import Inspections
from devenv.engine.docker.options.newer_keys import newer_keys, refuse_newer_keys
from devenv.engine.docker.options.translation import Peers, peers_of
from devenv.engine.docker.sdk_connection import SdkConnection
from devenv.engine.docker.translation import ANSWER, Conflict, NoSuchObject, answer_of, taken_port
from devenv.engine.host_ports import port_holder
from devenv.errors import EngineRefused, ImageMissing, NotStarted, PortTaken
from devenv.model.identity import LABEL_PROJECT, LABEL_SERVICE

if TYPE_CHECKING:
    from docker import APIClient

REMOVAL_SECONDS = 30.0
"""How long a removal that is under way elsewhere is waited for."""

STOP_MARGIN = 30.0
"""Seconds beyond the grace period in which the engine has to answer."""

LONGEST_GRACE = 3600.0

RUNTIME_LAYERS = ("OCI runtime create failed: ", "failed to create shim task: ", "unable to start container process: ")
"""Prefixes that the layers below the engine add to the actual reason."""


async def create(connection: SdkConnection, spec: InstanceSpec, *, remote: bool) -> str:
    """Create a container on all its networks, with its files in it; nothing is left if a step fails."""
    name = spec.service.container_name or spec.name
    newer = newer_keys(spec.service)
    if newer:
        api = await connection.call(lambda client: str(client.api_version), doing="asking for the version of the API")
        refuse_newer_keys(spec.service, newer, api)
    peers = await _peers(connection, spec)
    config = container_config(spec, remote=remote, peers=peers)
    doing = f"creating container {name}"
    try:
        made = await connection.call(
            lambda client: client.create_container_from_config(config, name, spec.service.platform), doing=doing
        )
    except (ImageMissing, NoSuchObject) as error:
        if isinstance(error, ImageMissing) or "image" in answer_of(error).lower():
            raise ImageMissing(
                f"{doing}: the engine has no image {spec.image}",
                hint="run `devenv up` to pull or build it",
                details={"image": spec.image, "service": spec.service.name},
            ) from error
        raise
    except Conflict as error:
        owner = await name_owner(connection, name)
        if not owner:
            raise
        raise name_taken(spec.service, name, owner) from error
    container_id = str(made["Id"])
    await _furnish(connection, spec, peers, container_id, name)
    return container_id


async def _peers(connection: SdkConnection, spec: InstanceSpec) -> dict[str, list[str]]:
    """Names of the containers of the services that the instance links to, or shares something with."""
    peers: dict[str, list[str]] = {}
    for target in peers_of(spec.service):
        labels = [f"{LABEL_PROJECT}={spec.project.id}", f"{LABEL_SERVICE}={target}"]
        found = await connection.call(
            lambda client, wanted=labels: client.containers(all=True, filters={"label": wanted}),  # type: ignore[misc]  # mypy infers no type for a lambda's default
            doing=f"finding the containers of {target}",
        )
        peers[target] = sorted(str(one["Names"][0]).lstrip("/") for one in found)
        if not found:
            raise EngineRefused(
                f"{spec.service.name} refers to {target}, which has no container",
                hint=f"run `devenv up`, which starts {target} first",
                details={"service": spec.service.name, "target": target},
            )
    return peers


async def _furnish(connection: SdkConnection, spec: InstanceSpec, peers: Peers, container_id: str, name: str) -> None:
    """Connect the further networks and put the files, at once."""

    def join(client: APIClient, network: str, settings: dict[str, Any]) -> None:
        addresses = settings.get("IPAMConfig", {})
        client.connect_container_to_network(
            container_id,
            network,
            aliases=settings["Aliases"],
            ipv4_address=addresses.get("IPv4Address"),
            ipv6_address=addresses.get("IPv6Address"),
            mac_address=settings.get("MacAddress"),
            link_local_ips=addresses.get("LinkLocalIPs"),
            driver_opt=settings.get("DriverOpts"),
            links=[link.split(":", 1) for link in settings.get("Links", ())] or None,
        )

    attachments = [] if spec.service.network_mode is not None else by_priority(spec)[1:]
    steps: list[Coroutine[Any, Any, object]] = [
        connection.call(
            lambda client, a=attachment: join(client, spec.networks[a.network], endpoint_settings(spec, a, peers)),  # type: ignore[misc]  # mypy infers no type for a lambda's default
            doing=f"connecting {name} to network {attachment.network}",
        )
        for attachment in attachments
    ]
    steps += [
        connection.call(
            lambda client, f=folder, a=archive: client.put_archive(container_id, f, a),  # type: ignore[misc]  # as above
            doing=f"putting files into {name}",
        )
        for folder, archive in archives(spec)
    ]
    try:
        await asyncio.gather(*steps)
    except BaseException:
        await asyncio.shield(remove(connection, container_id))
        raise


async def start(connection: SdkConnection, container_id: str) -> None:
    """Start a container; one that already runs is not an error."""
    try:
        await connection.call(lambda client: client.start(container_id), doing="starting a container")
    except EngineRefused as error:
        answer = answer_of(error)
        taken = taken_port(answer)
        found = await connection.call(
            lambda client: client.inspect_container(container_id), doing="inspecting the container"
        )
        service = (found["Config"]["Labels"] or {}).get(LABEL_SERVICE, found["Name"].lstrip("/"))
        if taken is not None:
            raise await _port_taken(connection, container_id, service, *taken) from error
        raise NotStarted(service, _plain(answer), details={"service": service, ANSWER: answer}) from error


def _plain(detail: str) -> str:
    """The engine's message without the layers that pass it on."""
    for marker in RUNTIME_LAYERS:
        _, found, rest = detail.partition(marker)
        detail = rest if found else detail
    return detail.removesuffix(": unknown")


async def _port_taken(connection: SdkConnection, container_id: str, service: str, address: str, port: int) -> PortTaken:
    owner = await _port_owner(connection, container_id, port)
    where = f"{address or '0.0.0.0'}:{port}"  # noqa: S104 - told, not bound
    return PortTaken(
        f"port {where} for {service} is in use by {owner or 'an unknown process'}",
        hint=f"stop {owner or 'that process'}, publish another port, or run `devenv up --isolated`",
        details={"port": port, "address": address, "owner": owner, "service": service},
    )


async def _port_owner(connection: SdkConnection, container_id: str, port: int) -> str:
    """A container that publishes ``port``, else the process that listens on it; empty if neither is found."""
    if owner := await port_owner(connection, port, "tcp", but=container_id):
        return owner
    holder = await asyncio.to_thread(port_holder, port)
    return f"process {holder}" if holder is not None else ""


async def stop(connection: SdkConnection, container_id: str, *, grace: float | None) -> None:
    """Stop a container; one that has ended or is gone is not an error."""
    seconds = None if grace is None else math.ceil(grace)

    def request(client: APIClient) -> None:
        # The SDK's stop() sends its own default instead of leaving the grace period to the container's.
        url = f"{client.base_url}/v{client.api_version}/containers/{container_id}/stop"
        limit = (LONGEST_GRACE if seconds is None else seconds) + STOP_MARGIN
        _check(client.post(url, params={} if seconds is None else {"t": seconds}, timeout=limit))

    try:
        await connection.long_call(request, doing="stopping a container")
    except NoSuchObject:
        return


def _check(response: Any) -> None:
    """Raise the SDK's error for an answer that is not success; 304 is "already so"."""
    from docker.errors import create_api_error_from_http_exception
    from requests import HTTPError

    try:
        response.raise_for_status()
    except HTTPError as error:
        create_api_error_from_http_exception(error)


async def kill(connection: SdkConnection, container_id: str, *, signal: str) -> None:
    """Send a signal; a container that has ended or is gone is not an error."""
    try:
        await connection.call(lambda client: client.kill(container_id, signal), doing=f"sending {signal}")
    except (NoSuchObject, Conflict):
        return


async def remove(connection: SdkConnection, container_id: str) -> None:
    """Kill and remove a container with its anonymous volumes, and return when it is gone."""
    try:
        await connection.call(
            lambda client: client.remove_container(container_id, v=True, force=True),
            doing=f"removing container {container_id[:12]}",
        )
    except NoSuchObject:
        return
    except Conflict as error:
        if "already in progress" not in answer_of(error):
            raise
        await _until_gone(connection, container_id)


async def _until_gone(connection: SdkConnection, container_id: str) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + REMOVAL_SECONDS
    while loop.time() < deadline:
        try:
            await connection.call(
                lambda client: client.inspect_container(container_id), doing="inspecting the container"
            )
        except NoSuchObject:
            return
        await asyncio.sleep(0.05)
    raise EngineRefused(f"container {container_id[:12]} is still being removed after {REMOVAL_SECONDS:g} s")


async def endpoint(
    inspections: Inspections, container_id: str, port: int, *, direct: bool, published_host: str
) -> Endpoint | None:
    """Where ``port`` is reached from here.

    Args:
        inspections: of the engine's containers.
        container_id: of a running container.
        port: in the container.
        direct: this machine routes to the addresses of containers.
        published_host: host of the engine's published ports.
    """
    found = await inspections.recent(container_id)
    if not found["State"]["Running"]:
        return None
    mode = found["HostConfig"]["NetworkMode"]
    if mode == "host":
        return Endpoint(host=published_host, port=port)
    if mode.startswith("container:"):
        owner = mode.partition(":")[2]
        return await endpoint(inspections, owner, port, direct=direct, published_host=published_host)
    settings = found["NetworkSettings"]
    addresses = [network["IPAddress"] for network in settings["Networks"].values() if network["IPAddress"]]
    if direct and addresses:
        return Endpoint(host=addresses[0], port=port)
    bindings = (settings.get("Ports") or {}).get(f"{port}/tcp") or ()
    for binding in bindings:
        host = binding["HostIp"]
        anywhere = host in ("", "0.0.0.0", "::", "127.0.0.1")  # noqa: S104 - compared, not bound
        return Endpoint(host=published_host if anywhere else host, port=int(binding["HostPort"]))
    return None


def routes_directly(version: Mapping[str, Any], *, local: bool) -> bool:
    """Whether this machine routes to containers: a local engine on Linux that does not run in a virtual machine."""
    platform = str((version.get("Platform") or {}).get("Name", ""))
    return local and sys.platform == "linux" and "Desktop" not in platform
