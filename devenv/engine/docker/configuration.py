"""An instance as the body of ``POST /containers/create``: pure, so that every key is tested without an engine.

Format: Docker Engine API 1.41, ``ContainerCreate``. Durations there are nanoseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from devenv.contract.specification import InstanceSpec
from devenv.engine.docker.options.translation import Peers, container_options, host_options, links
from devenv.model.stack import Attachment, Healthcheck, Mount, Port, Service

LOOPBACK = "127.0.0.1"
NO_PEERS: Peers = {}
INTERFACE_OPTION = "com.docker.network.endpoint.ifname"


def container_config(spec: InstanceSpec, *, remote: bool, peers: Peers = NO_PEERS) -> dict[str, Any]:
    """The request's body; networks beyond the first one are connected afterwards (API 1.41 accepts one).

    Args:
        spec: what to create.
        remote: published ports are bound as in the file, without the default of loopback.
        peers: the containers that the service's options name.
    """
    service = spec.service
    mode = network_mode(spec)
    shares_network = mode.startswith("container:")
    publishes = not shares_network and mode != "host"
    config: dict[str, Any] = {
        "Image": spec.image,
        "Labels": {**service.labels, **spec.labels},
        "Env": [f"{name}={value}" for name, value in service.environment.items()],
        "HostConfig": _host_config(spec, mode, peers, remote=remote, publishes=publishes),
        "NetworkingConfig": {"EndpointsConfig": first_endpoint(spec, peers)},
        "OpenStdin": service.stdin_open,
        "Tty": service.tty,
        "StopTimeout": max(0, round(service.stop_grace_period)),
    }
    if publishes:
        config["ExposedPorts"] = {name: {} for name in _exposed(service)}
    if service.hostname is not None and not shares_network:
        config["Hostname"] = service.hostname
    optional = {
        "Cmd": list(service.command) if service.command is not None else None,
        "Entrypoint": list(service.entrypoint) if service.entrypoint is not None else None,
        "User": service.user,
        "WorkingDir": service.working_dir,
        "StopSignal": service.stop_signal,
        "Healthcheck": _healthcheck(service.healthcheck) if service.healthcheck is not None else None,
    }
    given = {key: value for key, value in optional.items() if value is not None}
    return config | given | container_options(service)


def network_mode(spec: InstanceSpec) -> str:
    """``NetworkMode``: the first network's name, or what ``network_mode`` asks for."""
    mode = spec.service.network_mode
    if spec.network_container is not None:
        return f"container:{spec.network_container}"
    if mode is not None:
        return mode
    attachments = by_priority(spec)
    return spec.networks[attachments[0].network] if attachments else "none"


def by_priority(spec: InstanceSpec) -> list[Attachment]:
    """The service's networks, the one for the default route first; of equal ones that which the file names first."""
    return sorted(spec.service.networks, key=lambda attachment: -attachment.priority)


def first_endpoint(spec: InstanceSpec, peers: Peers = NO_PEERS) -> dict[str, Any]:
    """``EndpointsConfig`` of the first network; empty if the network is shared, the host's or none."""
    attachments = by_priority(spec)
    if spec.service.network_mode is not None or not attachments:
        return {}
    return {spec.networks[attachments[0].network]: endpoint_settings(spec, attachments[0], peers)}


def endpoint_settings(spec: InstanceSpec, attachment: Attachment, peers: Peers = NO_PEERS) -> dict[str, Any]:
    """``EndpointSettings`` of one network: the names by which others find the instance, and fixed addresses."""
    name = spec.service.container_name or spec.name
    settings: dict[str, Any] = {"Aliases": list(dict.fromkeys([spec.service.name, name, *attachment.aliases]))}
    addresses = {
        "IPv4Address": attachment.ipv4_address,
        "IPv6Address": attachment.ipv6_address,
        "LinkLocalIPs": list(attachment.link_local_ips),
    }
    if any(addresses.values()):
        settings["IPAMConfig"] = {key: value for key, value in addresses.items() if value}
    interface = {INTERFACE_OPTION: attachment.interface_name} if attachment.interface_name else {}
    if attachment.driver_opts or interface:
        settings["DriverOpts"] = {**attachment.driver_opts, **interface}
    if attachment.gw_priority:
        settings["GwPriority"] = attachment.gw_priority
    if attachment.mac_address:
        settings["MacAddress"] = attachment.mac_address
    linked = links(spec.service, peers)
    if linked:
        settings["Links"] = linked
    return settings


def _host_config(spec: InstanceSpec, mode: str, peers: Peers, *, remote: bool, publishes: bool) -> dict[str, Any]:
    service = spec.service
    config: dict[str, Any] = {
        "NetworkMode": mode,
        "RestartPolicy": {"Name": service.restart.policy, "MaximumRetryCount": service.restart.maximum or 0},
        "Init": service.init,
        "ReadonlyRootfs": service.read_only,
        "Privileged": service.privileged,
        "Binds": [bind for mount in service.mounts if (bind := _bind(mount)) is not None],
        "Mounts": [_mount(spec, mount) for mount in service.mounts if _bind(mount) is None] + file_volumes(spec),
    }
    if publishes:
        config["PortBindings"] = _port_bindings(service.ports, remote=remote)
    lists = {
        "CapAdd": service.cap_add,
        "CapDrop": service.cap_drop,
        "Dns": service.dns,
        "SecurityOpt": service.security_opt,
        "ExtraHosts": extra_hosts(service.extra_hosts),
        "Ulimits": [{"Name": name, "Soft": u.soft, "Hard": u.hard} for name, u in service.ulimits.items()],
    }
    config |= {key: list(value) for key, value in lists.items() if value}
    optional = {
        "NanoCpus": round(service.cpus * 1e9) if service.cpus is not None else None,
        "Memory": service.memory,
        "PidsLimit": service.pids_limit,
        "ShmSize": service.shm_size,
        "LogConfig": _logging(service),
    }
    return config | {key: value for key, value in optional.items() if value is not None} | host_options(service, peers)


def extra_hosts(hosts: Mapping[str, str]) -> list[str]:
    """Return the engine's form of ``extra_hosts``: an entry for each address."""
    return [f"{host}:{address}" for host, addresses in hosts.items() for address in addresses.split(",")]


def _logging(service: Service) -> dict[str, Any] | None:
    if service.logging is None or (service.logging.driver is None and not service.logging.options):
        return None
    return {"Type": service.logging.driver or "json-file", "Config": dict(service.logging.options)}


def _exposed(service: Service) -> list[str]:
    return list(
        dict.fromkeys(
            [f"{port.container}/{port.protocol}" for port in service.ports] + [f"{port}/tcp" for port in service.expose]
        )
    )


def _port_bindings(ports: tuple[Port, ...], *, remote: bool) -> dict[str, list[dict[str, str]]]:
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in ports:
        address = port.address if port.address is not None else ("" if remote else LOOPBACK)
        host = "" if port.host is None else str(port.host)
        bindings.setdefault(f"{port.container}/{port.protocol}", []).append({"HostIp": address, "HostPort": host})
    return bindings


def _bind(mount: Mount) -> str | None:
    """``Binds`` syntax, the only one that creates a missing host path and relabels for SELinux."""
    special = mount.recursive is not None and not mount.selinux
    if mount.kind != "bind" or special or not (mount.create_host_path or mount.selinux):
        return None
    options = [
        "ro" if mount.read_only else "rw",
        *([mount.selinux] if mount.selinux else []),
        *([mount.propagation] if mount.propagation else []),
    ]
    return f"{mount.source}:{mount.target}:{','.join(options)}"


def _mount(spec: InstanceSpec, mount: Mount) -> dict[str, Any]:
    body: dict[str, Any] = {"Type": mount.kind, "Target": mount.target, "ReadOnly": mount.read_only}
    if mount.kind == "bind":
        body["Source"] = mount.source
        options = {"Propagation": mount.propagation} | _RECURSION.get(mount.recursive or "", {})
        if any(options.values()):
            body["BindOptions"] = {key: value for key, value in options.items() if value}
    elif mount.kind == "volume":
        if mount.source is not None:
            body["Source"] = spec.volumes.get(mount.source, mount.source)
        volume = {"NoCopy": mount.nocopy, "Subpath": mount.subpath}
        if any(volume.values()):
            body["VolumeOptions"] = {key: value for key, value in volume.items() if value}
    elif mount.kind == "image":
        body["Source"] = mount.source
        if mount.subpath is not None:
            body["ImageOptions"] = {"Subpath": mount.subpath}
    else:
        tmpfs = {"SizeBytes": mount.tmpfs_size, "Mode": mount.tmpfs_mode}
        body["TmpfsOptions"] = {key: value for key, value in tmpfs.items() if value is not None}
    return body


_RECURSION: dict[str, dict[str, Any]] = {
    "disabled": {"NonRecursive": True},
    "writable": {"ReadOnlyNonRecursive": True},
    "readonly": {"ReadOnlyForceRecursive": True},
}
"""``bind.recursive`` as ``BindOptions``; the engine's own way is ``enabled``."""


def file_volumes(spec: InstanceSpec) -> list[dict[str, Any]]:
    """Anonymous volumes for the files of a read-only instance, into whose own layer nothing can be put."""
    if not spec.service.read_only:
        return []
    mounted = {mount.target.rstrip("/") for mount in spec.service.mounts}
    folders = dict.fromkeys(str(PurePosixPath(file.target).parent) for file in spec.files)
    folders.update(dict.fromkeys(tree.target for tree in spec.trees))
    return [{"Type": "volume", "Target": folder} for folder in folders if folder not in mounted and folder != "/"]


def _healthcheck(check: Healthcheck) -> Mapping[str, Any]:
    """The engine's own healthcheck, kept for other tools; ``start_interval`` needs API 1.44 and is left out."""
    if check.disable:
        return {"Test": ["NONE"]}
    timing = {
        "Interval": _nanoseconds(check.interval),
        "Timeout": _nanoseconds(check.timeout),
        "StartPeriod": _nanoseconds(check.start_period),
        "Retries": check.retries,
    }
    return {"Test": list(check.test), **timing} if check.test else timing


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1_000_000_000)
