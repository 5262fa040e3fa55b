"""Options of a service in the engine's request for a container."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from devenv.contract.specification import InstanceSpec
from devenv.engine.docker.configuration import container_config
from devenv.engine.docker.options.newer_keys import newer_keys, refuse_newer_keys
from devenv.engine.docker.options.translation import peers_of
from devenv.engine.process.launching import refuse_what_cannot_be
from devenv.errors import ConfigurationError
from devenv.model.extension import ServiceExtension
from devenv.model.stack import Attachment, Mount
from devenv.testing import make_project, make_service

PEERS = {"db": ["shop-db-1", "shop-db-2"]}


def config(**fields: Any) -> dict[str, Any]:
    fields.setdefault("networks", (Attachment(network="default"),))
    spec = InstanceSpec(
        name="shop-web-1",
        project=make_project(Path("/nowhere/shop")),
        service=make_service("web", **fields),
        index=1,
        labels={},
        networks={"default": "shop_default"},
        volumes={"data": "shop_data"},
    )
    return container_config(spec, remote=False, peers=PEERS)


RATE = [{"path": "/dev/a", "rate": "1024"}]
OPTIONS: list[tuple[str, Any, str, Any]] = [
    ("cgroup", "host", "CgroupnsMode", "host"),
    ("cgroup_parent", "/x", "CgroupParent", "/x"),
    ("cpu_period", 5, "CpuPeriod", 5),
    ("cpu_quota", -1, "CpuQuota", -1),
    ("cpu_rt_period", 5, "CpuRealtimePeriod", 5),
    ("cpu_rt_runtime", 5, "CpuRealtimeRuntime", 5),
    ("cpu_shares", 7, "CpuShares", 7),
    ("cpuset", "0,1", "CpusetCpus", "0,1"),
    ("device_cgroup_rules", ["c 1:3 mr"], "DeviceCgroupRules", ["c 1:3 mr"]),
    ("dns_opt", ["use-vc"], "DnsOptions", ["use-vc"]),
    ("dns_search", ["a"], "DnsSearch", ["a"]),
    ("group_add", ["audio"], "GroupAdd", ["audio"]),
    ("mem_reservation", "1024", "MemoryReservation", 1024),
    ("mem_swappiness", "10", "MemorySwappiness", 10),
    ("memswap_limit", -1, "MemorySwap", -1),
    ("oom_kill_disable", True, "OomKillDisable", True),
    ("oom_score_adj", -5, "OomScoreAdj", -5),
    ("runtime", "runc", "Runtime", "runc"),
    ("storage_opt", {"size": "1G"}, "StorageOpt", {"size": "1G"}),
    ("sysctls", {"a": "1"}, "Sysctls", {"a": "1"}),
    ("userns_mode", "host", "UsernsMode", "host"),
    ("uts", "host", "UTSMode", "host"),
    ("ipc", "shareable", "IpcMode", "shareable"),
    ("ipc", "service:db", "IpcMode", "container:shop-db-1"),
    ("volumes_from", ["db:ro", "container:x"], "VolumesFrom", ["shop-db-1:ro", "x:rw"]),
    (
        "devices",
        [{"source": "/dev/a", "target": "/dev/b", "permissions": "r"}],
        "Devices",
        [{"PathOnHost": "/dev/a", "PathInContainer": "/dev/b", "CgroupPermissions": "r"}],
    ),
    (
        "gpus",
        [{"count": -1}],
        "DeviceRequests",
        [{"Driver": "", "Count": -1, "DeviceIDs": [], "Capabilities": [["gpu"]], "Options": {}}],
    ),
    (
        "reserved_devices",
        [{"device_ids": ["0"], "capabilities": ["tpu"], "driver": "d", "options": {"a": "b"}}],
        "DeviceRequests",
        [{"Driver": "d", "Count": 0, "DeviceIDs": ["0"], "Capabilities": [["tpu"]], "Options": {"a": "b"}}],
    ),
    ("blkio_config", {"weight": 20}, "BlkioWeight", 20),
    (
        "blkio_config",
        {"weight_device": [{"path": "/dev/a", "weight": 5}]},
        "BlkioWeightDevice",
        [{"Path": "/dev/a", "Weight": 5}],
    ),
    ("blkio_config", {"device_read_bps": RATE}, "BlkioDeviceReadBps", [{"Path": "/dev/a", "Rate": 1024}]),
    ("blkio_config", {"device_write_iops": RATE}, "BlkioDeviceWriteIOps", [{"Path": "/dev/a", "Rate": 1024}]),
]


@pytest.mark.parametrize(("key", "value", "name", "expected"), OPTIONS)
def test_an_option_is_given_to_the_engine(key: str, value: Any, name: str, expected: Any) -> None:
    assert config(options={key: value})["HostConfig"][name] == expected


def test_options_beside_the_host_configuration() -> None:
    found = config(options={"domainname": "example.org", "mac_address": "02:42:ac:11:65:43"})
    assert (found["Domainname"], found["MacAddress"]) == ("example.org", "02:42:ac:11:65:43")


def test_the_process_namespace_of_a_service_is_that_of_its_container() -> None:
    assert config(pid="service:db")["HostConfig"]["PidMode"] == "container:shop-db-1"


def test_links_with_an_alias_are_for_each_container_of_the_service() -> None:
    found = config(options={"links": ["db:database", "db", "cache:cache"]})
    endpoint = found["NetworkingConfig"]["EndpointsConfig"]["shop_default"]
    assert endpoint["Links"] == ["shop-db-1:database", "shop-db-2:database"]
    assert peers_of(make_service("web", options={"links": ["db:x", "cache"]}, pid="service:p")) == ("p", "db")


def test_settings_of_an_endpoint() -> None:
    attachment = Attachment(
        network="default",
        link_local_ips=("169.254.1.1",),
        driver_opts={"a": "b"},
        interface_name="eth5",
        gw_priority=3,
    )
    endpoint = config(networks=(attachment,))["NetworkingConfig"]["EndpointsConfig"]["shop_default"]
    assert endpoint["IPAMConfig"] == {"LinkLocalIPs": ["169.254.1.1"]}
    assert endpoint["DriverOpts"] == {"a": "b", "com.docker.network.endpoint.ifname": "eth5"}
    assert endpoint["GwPriority"] == 3


def test_mounts_of_a_directory_of_a_volume_and_without_what_is_below() -> None:
    mounts = (
        Mount(kind="volume", source="data", target="/d", subpath="a/b"),
        Mount(kind="bind", source="/s", target="/t", recursive="disabled"),
    )
    volume, bind = config(mounts=mounts)["HostConfig"]["Mounts"]
    assert (volume["Source"], volume["VolumeOptions"]) == ("shop_data", {"Subpath": "a/b"})
    assert (bind["Source"], bind["BindOptions"]) == ("/s", {"NonRecursive": True})


@pytest.mark.parametrize(
    ("fields", "key", "api"),
    [
        ({"mounts": (Mount(kind="volume", target="/d", subpath="a"),)}, "volumes[0].volume.subpath", "1.45"),
        ({"mounts": (Mount(kind="bind", target="/d", recursive="readonly"),)}, "volumes[0].bind.recursive", "1.44"),
        ({"mounts": (Mount(kind="image", source="i", target="/i", subpath="a"),)}, "volumes[0].type image", "1.48"),
        ({"networks": (Attachment(network="n", gw_priority=1),)}, "networks.n.gw_priority", "1.48"),
        ({"networks": (Attachment(network="n", interface_name="e"),)}, "networks.n.interface_name", "1.49"),
    ],
)
def test_a_key_that_the_engine_does_not_know_is_refused(fields: dict[str, Any], key: str, api: str) -> None:
    service = make_service("web", **fields)
    newer = newer_keys(service)
    with pytest.raises(ConfigurationError, match=f"requires API {api}") as caught:
        refuse_newer_keys(service, newer, "1.41")
    assert (caught.value.key, caught.value.location) == (f"services.web.{key}", service.location)
    refuse_newer_keys(service, newer, api)


@pytest.mark.parametrize("key", ["devices", "gpus", "sysctls", "runtime", "volumes_from", "dns_search"])
def test_a_local_process_cannot_have_what_only_a_container_has(key: str) -> None:
    x = ServiceExtension.model_validate({"process": {"command": "run"}})
    refuse_what_cannot_be(make_service("web", x=x, options={"cpu_shares": 5, "oom_score_adj": 1, "links": ["db:x"]}))
    with pytest.raises(ConfigurationError, match=f"the process engine does not support {key}"):
        refuse_what_cannot_be(make_service("web", x=x, options={key: "any"}))


def test_annotations_go_to_the_engine() -> None:
    assert config(options={"annotations": {"a": "b"}})["HostConfig"]["Annotations"] == {"a": "b"}
