"""Every key of a service as the engine's request for a container."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from devenv.contract.specification import FileContent, InstanceSpec
from devenv.engine.docker.configuration import (
    by_priority,
    container_config,
    endpoint_settings,
    file_volumes,
)
from devenv.model.stack import Attachment, Healthcheck, Logging, Mount, Port, Restart, Ulimit
from devenv.testing import make_project, make_service

DEFAULT = (Attachment(network="default"),)


def spec(**fields: Any) -> InstanceSpec:
    options = {name: fields.pop(name) for name in ("files", "network_container") if name in fields}
    if "network_mode" not in fields:
        fields.setdefault("networks", DEFAULT)
    return InstanceSpec(
        name="shop-web-1",
        project=make_project(Path("/nowhere/shop")),
        service=make_service("web", **fields),
        index=1,
        labels={"devenv.service": "web"},
        image="sha256:1",
        networks={"default": "shop_default", "back": "shop_back"},
        volumes={"data": "shop_data"},
        **options,
    )


def config(*, remote: bool = False, **fields: Any) -> dict[str, Any]:
    return container_config(spec(**fields), remote=remote)


def host(**fields: Any) -> dict[str, Any]:
    return dict(config(**fields)["HostConfig"])


def test_the_least_that_is_asked_for() -> None:
    assert config() == {
        "Image": "sha256:1",
        "Labels": {"devenv.service": "web"},
        "Env": [],
        "ExposedPorts": {},
        "OpenStdin": False,
        "Tty": False,
        "StopTimeout": 10,
        "NetworkingConfig": {"EndpointsConfig": {"shop_default": {"Aliases": ["web", "shop-web-1"]}}},
        "HostConfig": {
            "NetworkMode": "shop_default",
            "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
            "Init": False,
            "ReadonlyRootfs": False,
            "Privileged": False,
            "Binds": [],
            "Mounts": [],
            "PortBindings": {},
        },
    }


@pytest.mark.parametrize(
    ("fields", "key", "value"),
    [
        ({"command": ("a", "b c")}, "Cmd", ["a", "b c"]),
        ({"command": ()}, "Cmd", []),
        ({"entrypoint": ("/x",)}, "Entrypoint", ["/x"]),
        ({"entrypoint": ()}, "Entrypoint", []),
        ({"environment": {"A": "1", "B": "x=y"}}, "Env", ["A=1", "B=x=y"]),
        ({"user": "10:20"}, "User", "10:20"),
        ({"working_dir": "/w"}, "WorkingDir", "/w"),
        ({"hostname": "h"}, "Hostname", "h"),
        ({"stop_signal": "SIGINT"}, "StopSignal", "SIGINT"),
        ({"stop_grace_period": 90.0}, "StopTimeout", 90),
        ({"stdin_open": True}, "OpenStdin", True),
        ({"tty": True}, "Tty", True),
        ({"labels": {"mine": "1", "devenv.service": "no"}}, "Labels", {"mine": "1", "devenv.service": "web"}),
        ({"expose": (80,), "ports": (Port(container=81),)}, "ExposedPorts", {"81/tcp": {}, "80/tcp": {}}),
        (
            {"healthcheck": Healthcheck(test=("CMD", "x"), interval=1.5, timeout=2, retries=4, start_period=3)},
            "Healthcheck",
            {
                "Test": ["CMD", "x"],
                "Interval": 1_500_000_000,
                "Timeout": 2_000_000_000,
                "Retries": 4,
                "StartPeriod": 3_000_000_000,
            },
        ),
        ({"healthcheck": Healthcheck(disable=True)}, "Healthcheck", {"Test": ["NONE"]}),
    ],
)
def test_keys_of_the_container(fields: dict[str, Any], key: str, value: object) -> None:
    assert key not in config() or config()[key] != value, "the default already has it"
    assert config(**fields)[key] == value


@pytest.mark.parametrize(
    ("fields", "key", "value"),
    [
        (
            {"restart": Restart(policy="on-failure", maximum=3)},
            "RestartPolicy",
            {"Name": "on-failure", "MaximumRetryCount": 3},
        ),
        ({"init": True}, "Init", True),
        ({"read_only": True}, "ReadonlyRootfs", True),
        ({"privileged": True}, "Privileged", True),
        ({"cap_add": ("NET_ADMIN",)}, "CapAdd", ["NET_ADMIN"]),
        ({"cap_drop": ("ALL",)}, "CapDrop", ["ALL"]),
        ({"dns": ("9.9.9.9",)}, "Dns", ["9.9.9.9"]),
        ({"security_opt": ("no-new-privileges",)}, "SecurityOpt", ["no-new-privileges"]),
        ({"extra_hosts": {"db": "10.0.0.1,10.0.0.2"}}, "ExtraHosts", ["db:10.0.0.1", "db:10.0.0.2"]),
        ({"extra_hosts": {"db": "10.0.0.1", "v6": "::1"}}, "ExtraHosts", ["db:10.0.0.1", "v6:::1"]),
        ({"ulimits": {"nofile": Ulimit(soft=10, hard=20)}}, "Ulimits", [{"Name": "nofile", "Soft": 10, "Hard": 20}]),
        ({"cpus": 0.5}, "NanoCpus", 500_000_000),
        ({"memory": 1 << 20}, "Memory", 1 << 20),
        ({"pids_limit": 9}, "PidsLimit", 9),
        ({"pid": "host"}, "PidMode", "host"),
        ({"shm_size": 1 << 26}, "ShmSize", 1 << 26),
        (
            {"logging": Logging(driver="local", options={"max-size": "1m"})},
            "LogConfig",
            {"Type": "local", "Config": {"max-size": "1m"}},
        ),
        (
            {"logging": Logging(options={"max-size": "1m"})},
            "LogConfig",
            {"Type": "json-file", "Config": {"max-size": "1m"}},
        ),
        ({"network_mode": "host"}, "NetworkMode", "host"),
        ({"network_mode": "none"}, "NetworkMode", "none"),
        ({"network_mode": "service:db", "network_container": "abc"}, "NetworkMode", "container:abc"),
        ({"network_mode": "container:other"}, "NetworkMode", "container:other"),
    ],
)
def test_keys_of_the_host(fields: dict[str, Any], key: str, value: object) -> None:
    assert key not in host() or host()[key] != value, "the default already has it"
    assert host(**fields)[key] == value


@pytest.mark.parametrize(
    ("port", "remote", "binding"),
    [
        (Port(container=80, host=8080), False, {"HostIp": "127.0.0.1", "HostPort": "8080"}),
        (Port(container=80, host=8080), True, {"HostIp": "", "HostPort": "8080"}),
        (Port(container=80), False, {"HostIp": "127.0.0.1", "HostPort": ""}),
        (Port(container=80, host=8080, address="0.0.0.0"), False, {"HostIp": "0.0.0.0", "HostPort": "8080"}),
        (Port(container=80, host=8080, address="10.1.1.1"), True, {"HostIp": "10.1.1.1", "HostPort": "8080"}),
    ],
)
def test_ports_bind_to_the_loopback_unless_the_file_or_a_remote_engine_says_otherwise(
    port: Port, remote: bool, binding: dict[str, str]
) -> None:
    assert config(ports=(port,), remote=remote)["HostConfig"]["PortBindings"] == {"80/tcp": [binding]}


def test_a_port_may_be_published_twice_and_by_other_protocols() -> None:
    ports = (Port(container=53, host=1), Port(container=53, host=2), Port(container=53, host=3, protocol="udp"))
    bindings = host(ports=ports)["PortBindings"]
    assert [binding["HostPort"] for binding in bindings["53/tcp"]] == ["1", "2"]
    assert [binding["HostPort"] for binding in bindings["53/udp"]] == ["3"]


@pytest.mark.parametrize("mode", ["host", "container:x"])
def test_whoever_has_no_network_of_its_own_publishes_nothing(mode: str) -> None:
    asked = config(network_mode=mode, ports=(Port(container=80, host=80),), hostname="h")
    assert "PortBindings" not in asked["HostConfig"]
    assert "ExposedPorts" not in asked
    assert asked["NetworkingConfig"] == {"EndpointsConfig": {}}
    assert ("Hostname" in asked) is (mode == "host")


def test_one_network_at_creation_and_the_one_with_priority_first() -> None:
    networks = (
        Attachment(network="default"),
        Attachment(network="back", aliases=("db", "web"), ipv4_address="10.0.0.9", mac_address="02:00", priority=5),
    )
    asked = spec(networks=networks, container_name="named")
    assert [attachment.network for attachment in by_priority(asked)] == ["back", "default"]
    body = container_config(asked, remote=False)
    assert body["HostConfig"]["NetworkMode"] == "shop_back"
    assert body["NetworkingConfig"]["EndpointsConfig"] == {
        "shop_back": {
            "Aliases": ["web", "named", "db"],
            "IPAMConfig": {"IPv4Address": "10.0.0.9"},
            "MacAddress": "02:00",
        }
    }
    assert endpoint_settings(asked, networks[0]) == {"Aliases": ["web", "named"]}


@pytest.mark.parametrize(
    ("mount", "key", "value"),
    [
        (Mount(kind="bind", source="/a", target="/b"), "Binds", "/a:/b:rw"),
        (Mount(kind="bind", source="/a", target="/b", read_only=True, selinux="z"), "Binds", "/a:/b:ro,z"),
        (Mount(kind="bind", source="/a", target="/b", propagation="rslave"), "Binds", "/a:/b:rw,rslave"),
        (
            Mount(kind="bind", source="/a", target="/b", create_host_path=False, propagation="shared"),
            "Mounts",
            {
                "Type": "bind",
                "Target": "/b",
                "Source": "/a",
                "ReadOnly": False,
                "BindOptions": {"Propagation": "shared"},
            },
        ),
        (
            Mount(kind="volume", source="data", target="/d", read_only=True, nocopy=True),
            "Mounts",
            {
                "Type": "volume",
                "Target": "/d",
                "Source": "shop_data",
                "ReadOnly": True,
                "VolumeOptions": {"NoCopy": True},
            },
        ),
        (Mount(kind="volume", target="/d"), "Mounts", {"Type": "volume", "Target": "/d", "ReadOnly": False}),
        (
            Mount(kind="tmpfs", target="/t", tmpfs_size=9, tmpfs_mode=0o700),
            "Mounts",
            {"Type": "tmpfs", "Target": "/t", "ReadOnly": False, "TmpfsOptions": {"SizeBytes": 9, "Mode": 0o700}},
        ),
        (
            Mount(kind="image", source="data:1", target="/i", subpath="a"),
            "Mounts",
            {
                "Type": "image",
                "Source": "data:1",
                "Target": "/i",
                "ReadOnly": False,
                "ImageOptions": {"Subpath": "a"},
            },
        ),
    ],
)
def test_mounts(mount: Mount, key: str, value: object) -> None:
    asked = host(mounts=(mount,))
    assert asked[key] == [value]
    assert asked[{"Binds": "Mounts", "Mounts": "Binds"}[key]] == []


def test_files_of_a_read_only_instance_lie_on_volumes_of_their_own() -> None:
    files = tuple(
        FileContent(target=target, content=b"") for target in ("/run/secrets/a", "/run/secrets/b", "/data/c", "/d")
    )
    mounts = (Mount(kind="volume", source="data", target="/data"),)
    volumes = file_volumes(spec(files=files, read_only=True, mounts=mounts))
    assert volumes == [{"Type": "volume", "Target": "/run/secrets"}]
    assert file_volumes(spec(files=files)) == []
