"""Every key of a service on a real engine, checked by the engine's own description and from inside."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from engine_harness import Harness, docker, free_port

from devenv.contract.specification import FileContent, VolumeSpec
from devenv.model.stack import Healthcheck, Logging, Mount, Port, Restart, Ulimit, Volume
from devenv.testing.builders import make_labels

pytestmark = pytest.mark.docker


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[Harness]:
    async with docker(tmp_path) as made:
        yield made


async def test_the_engine_has_every_key_as_it_was_asked(harness: Harness, docker_client: Any, tmp_path: Path) -> None:
    port = free_port()
    volume = f"{harness.project.id}_data"
    labels = make_labels(harness.project)
    await harness.engine.create_volume(VolumeSpec(name=volume, volume=Volume(key="data"), labels=labels))
    spec = harness.spec(
        "sleep infinity",
        entrypoint=("env", "X=1"),
        environment={"COLOUR": "blue", "EMPTY": ""},
        ports=(Port(container=8000, host=port), Port(container=53, protocol="udp", address="0.0.0.0")),
        expose=(9000,),
        mounts=(
            Mount(kind="bind", source=str(tmp_path / "made"), target="/made", read_only=True),
            Mount(kind="volume", source="data", target="/data", nocopy=True),
            Mount(kind="volume", target="/anonymous"),
            Mount(kind="tmpfs", target="/scratch", tmpfs_size=1 << 20, tmpfs_mode=0o700),
        ),
        restart=Restart(policy="on-failure", maximum=3),
        container_name=f"{harness.project.id}-named",
        hostname="inside",
        labels={"own": "yes"},
        cpus=0.5,
        memory=64 << 20,
        pids_limit=50,
        logging=Logging(driver="json-file", options={"max-size": "1m"}),
        user="1000:1000",
        working_dir="/tmp",
        stop_signal="SIGINT",
        stop_grace_period=7.0,
        ulimits={"nofile": Ulimit(soft=500, hard=600)},
        read_only=True,
        cap_add=("NET_ADMIN",),
        cap_drop=("MKNOD",),
        extra_hosts={"far": "10.9.8.7"},
        dns=("127.0.0.53",),
        security_opt=("no-new-privileges",),
        shm_size=32 << 20,
        healthcheck=Healthcheck(test=("CMD", "true"), interval=5, timeout=2, retries=4, start_period=1),
        stdin_open=True,
        tty=True,
        platform="linux/amd64",
    )
    spec = type(spec)(**{**{name: getattr(spec, name) for name in spec.__slots__}, "volumes": {"data": volume}})
    instance_id = await harness.engine.create(spec)
    await harness.engine.start(instance_id)
    found = docker_client.api.inspect_container(instance_id)
    config, host = found["Config"], found["HostConfig"]
    assert found["Name"] == f"/{harness.project.id}-named"
    assert found["State"]["Running"]
    assert (config["Entrypoint"], config["Cmd"]) == (["env", "X=1"], ["sh", "-c", "sleep infinity"])
    assert {"COLOUR=blue", "EMPTY="} <= set(config["Env"])
    assert set(config["ExposedPorts"]) == {"8000/tcp", "53/udp", "9000/tcp"}
    assert host["PortBindings"]["8000/tcp"] == [{"HostIp": "127.0.0.1", "HostPort": str(port)}]
    assert host["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}
    assert (config["Hostname"], config["User"], config["WorkingDir"]) == ("inside", "1000:1000", "/tmp")
    assert config["Labels"]["own"] == "yes"
    assert config["Labels"]["devenv.service"] == "web"
    assert (host["NanoCpus"], host["Memory"], host["PidsLimit"]) == (500_000_000, 64 << 20, 50)
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "1m"}}
    assert (config["StopSignal"], config["StopTimeout"]) == ("SIGINT", 7)
    assert host["Ulimits"] == [{"Name": "nofile", "Soft": 500, "Hard": 600}]
    assert (host["ReadonlyRootfs"], host["Init"], host["ShmSize"]) == (True, True, 32 << 20)
    assert {cap.removeprefix("CAP_") for cap in host["CapAdd"] + host["CapDrop"]} == {"NET_ADMIN", "MKNOD"}
    assert (host["ExtraHosts"], host["Dns"]) == (["far:10.9.8.7"], ["127.0.0.53"])
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert config["Healthcheck"]["Test"] == ["CMD", "true"]
    assert config["Healthcheck"]["Interval"] == 5_000_000_000
    assert (config["OpenStdin"], config["Tty"]) == (True, True)
    mounts = {mount["Destination"]: mount for mount in found["Mounts"]}
    assert (mounts["/made"]["Source"], mounts["/made"]["RW"]) == (str(tmp_path / "made"), False)
    assert (mounts["/data"]["Name"], mounts["/data"]["RW"]) == (volume, True)
    assert mounts["/anonymous"]["Type"] == "volume"
    assert (tmp_path / "made").is_dir()
    seen = await harness.engine.exec(instance_id, ["sh", "-c", "hostname; pwd; id -u; ulimit -n; df -k /scratch"])
    lines = seen.output.decode().split()
    assert lines[:4] == ["inside", "/tmp", "1000", "500"]
    assert "1024" in lines
    refused = await harness.engine.exec(instance_id, ["touch", "/etc/x"])
    assert refused.exit_code != 0


@pytest.mark.parametrize("read_only", [False, True])
async def test_files_have_content_mode_and_owner(harness: Harness, read_only: bool) -> None:
    files = (
        FileContent(target="/run/secrets/token", content=b"opens", mode=0o400, uid=1000, gid=1001),
        FileContent(target="/etc/app/deep/config.yaml", content=b"a: 1\n"),
        FileContent(target="/run/secrets/empty", content=b""),
    )
    instance_id = await harness.run("sleep infinity", files=files, read_only=read_only, user="1000")
    shown = await harness.engine.exec(
        instance_id, ["sh", "-c", "stat -c '%a %u %g %s' /run/secrets/* /etc/app/deep/*; cat /run/secrets/token"]
    )
    assert shown.output.decode().splitlines() == ["444 0 0 0", "400 1000 1001 5", "444 0 0 5", "opens"]


async def test_anonymous_volumes_go_with_the_instance_and_named_ones_stay(harness: Harness, docker_client: Any) -> None:
    name = f"{harness.project.id}_kept"
    labels = make_labels(harness.project)
    await harness.engine.create_volume(VolumeSpec(name=name, volume=Volume(key="kept"), labels=labels))
    mounts = (Mount(kind="volume", target="/a"), Mount(kind="volume", source=name, target="/b"))
    instance_id = await harness.run("echo kept > /b/file; sleep infinity", mounts=mounts)
    attached = docker_client.api.inspect_container(instance_id)["Mounts"]
    anonymous = next(mount["Name"] for mount in attached if mount["Destination"] == "/a")
    await harness.engine.remove(instance_id)
    left = {volume["Name"] for volume in docker_client.api.volumes()["Volumes"]}
    assert anonymous not in left
    assert name in left
    again = await harness.run("sleep infinity", index=2, mounts=mounts)
    assert (await harness.engine.exec(again, ["cat", "/b/file"])).output == b"kept\n"


async def test_a_command_that_is_not_there_is_said_in_one_clause(harness: Harness) -> None:
    from devenv.errors import EngineRefused

    spec = harness.spec("true", entrypoint=("/no/such/program",), init=False)
    instance_id = await harness.engine.create(spec)
    with pytest.raises(EngineRefused) as caught:
        await harness.engine.start(instance_id)
    assert caught.value.message.startswith("cannot start web: ")
    assert "/no/such/program" in caught.value.message
    assert "OCI runtime" not in caught.value.message
