"""A service's options (:attr:`devenv.model.stack.Service.options`) in the body of ``POST /containers/create``.

Format: Docker Engine API 1.41, ``HostConfig`` and ``Resources``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from devenv.model.stack import Service

Peers = Mapping[str, Sequence[str]]
"""Names of the containers of other services, by service."""

_NAMES: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "annotations": ("Annotations", dict),  # engines before API 1.43 pass over it, which changes no service
    "cgroup": ("CgroupnsMode", str),
    "cgroup_parent": ("CgroupParent", str),
    "cpu_period": ("CpuPeriod", int),
    "cpu_quota": ("CpuQuota", int),
    "cpu_rt_period": ("CpuRealtimePeriod", int),
    "cpu_rt_runtime": ("CpuRealtimeRuntime", int),
    "cpu_shares": ("CpuShares", int),
    "cpuset": ("CpusetCpus", str),
    "device_cgroup_rules": ("DeviceCgroupRules", list),
    "dns_opt": ("DnsOptions", list),
    "dns_search": ("DnsSearch", list),
    "group_add": ("GroupAdd", list),
    "mem_reservation": ("MemoryReservation", int),
    "mem_swappiness": ("MemorySwappiness", int),
    "memswap_limit": ("MemorySwap", int),
    "oom_kill_disable": ("OomKillDisable", bool),
    "oom_score_adj": ("OomScoreAdj", int),
    "runtime": ("Runtime", str),
    "storage_opt": ("StorageOpt", dict),
    "sysctls": ("Sysctls", dict),
    "userns_mode": ("UsernsMode", str),
    "uts": ("UTSMode", str),
}
_RATES = {
    "device_read_bps": "BlkioDeviceReadBps",
    "device_write_bps": "BlkioDeviceWriteBps",
    "device_read_iops": "BlkioDeviceReadIOps",
    "device_write_iops": "BlkioDeviceWriteIOps",
}


def peers_of(service: Service) -> tuple[str, ...]:
    """Return the services whose containers the options of ``service`` name."""
    modes = (str(service.options.get("ipc", "")), service.pid or "")
    shared = [name for kind, _, name in (mode.partition(":") for mode in modes) if kind == "service"]
    mounted = [text.partition(":")[0] for text in _volumes_from(service) if not text.startswith("container:")]
    return tuple(dict.fromkeys([*shared, *mounted, *(target for target, _ in _aliases(service))]))


def host_options(service: Service, peers: Peers) -> dict[str, Any]:
    """Return the options' part of ``HostConfig``."""
    options = service.options
    config = {name: convert(options[key]) for key, (name, convert) in _NAMES.items() if key in options}
    if "devices" in options:
        config["Devices"] = [
            {"PathOnHost": one["source"], "PathInContainer": one["target"], "CgroupPermissions": one["permissions"]}
            for one in options["devices"]
        ]
    requests = [_request(one, gpu=True) for one in options.get("gpus", ())]
    requests += [_request(one, gpu=False) for one in options.get("reserved_devices", ())]
    if requests:
        config["DeviceRequests"] = requests
    if "ipc" in options:
        config["IpcMode"] = _shared(options["ipc"], peers)
    if service.pid is not None:
        config["PidMode"] = _shared(service.pid, peers)
    mounted = [_from(text, peers) for text in _volumes_from(service)]
    if mounted:
        config["VolumesFrom"] = mounted
    return config | _blkio(options.get("blkio_config", {}))


def container_options(service: Service) -> dict[str, Any]:
    """Return the options' part of the body beside ``HostConfig``."""
    names = {"domainname": "Domainname", "mac_address": "MacAddress"}
    return {name: service.options[key] for key, name in names.items() if key in service.options}


def links(service: Service, peers: Peers) -> list[str]:
    """Return the links that have an alias, for each network; names without one resolve by themselves."""
    return [f"{container}:{alias}" for target, alias in _aliases(service) for container in peers.get(target, ())]


def _aliases(service: Service) -> list[tuple[str, str]]:
    pairs = [text.partition(":")[::2] for text in service.options.get("links", ())]
    return [(target, alias) for target, alias in pairs if alias not in ("", target)]


def _volumes_from(service: Service) -> Sequence[str]:
    return tuple(service.options.get("volumes_from", ()))


def _shared(mode: str, peers: Peers) -> str:
    """A mode with the container in place of the service whose namespace is shared."""
    kind, _, name = mode.partition(":")
    return f"container:{peers[name][0]}" if kind == "service" else mode


def _from(text: str, peers: Peers) -> str:
    name, _, access = text.removeprefix("container:").partition(":")
    container = name if text.startswith("container:") else peers[name][0]
    return f"{container}:{access or 'rw'}"


def _request(device: Mapping[str, Any], *, gpu: bool) -> dict[str, Any]:
    capabilities = [*device.get("capabilities", ())]
    if gpu and "gpu" not in capabilities:
        capabilities.append("gpu")
    count = device.get("count", 0 if "device_ids" in device else -1)
    return {
        "Driver": device.get("driver", ""),
        "Count": count,
        "DeviceIDs": list(device.get("device_ids", ())),
        "Capabilities": [capabilities],
        "Options": dict(device.get("options", {})),
    }


def _blkio(blkio: Mapping[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = {"BlkioWeight": blkio["weight"]} if "weight" in blkio else {}
    if "weight_device" in blkio:
        config["BlkioWeightDevice"] = [{"Path": one["path"], "Weight": one["weight"]} for one in blkio["weight_device"]]
    for key, name in _RATES.items():
        if key in blkio:
            config[name] = [{"Path": one["path"], "Rate": int(one["rate"])} for one in blkio[key]]
    return config
