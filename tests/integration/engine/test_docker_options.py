"""Options of a service on a real engine, from inside the container and by the engine's own description."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from engine_harness import Harness, docker

from devenv.errors import ConfigurationError, EngineRefused
from devenv.model.stack import Attachment, Mount

pytestmark = pytest.mark.docker


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[Harness]:
    async with docker(tmp_path) as made:
        yield made


async def test_a_container_has_its_options(harness: Harness, docker_client: Any) -> None:
    line = "cat /proc/sys/net/core/somaxconn; cat /etc/resolv.conf; id -G; hostname -f; ls /dev/other; sleep infinity"
    instance_id = await harness.run(
        line,
        hostname="inside",
        options={
            "sysctls": {"net.core.somaxconn": "77"},
            "devices": [{"source": "/dev/null", "target": "/dev/other", "permissions": "rw"}],
            "dns_search": ["example.test"],
            "dns_opt": ["use-vc"],
            "domainname": "example.org",
            "group_add": ["4321"],
            "mac_address": "02:42:ac:11:65:43",
            "oom_score_adj": 100,
            "cpu_shares": 73,
            "mem_reservation": str(32 << 20),
            "runtime": "runc",
            "ipc": "shareable",
        },
        networks=(Attachment(network="default", link_local_ips=("169.254.9.9",)),),
        mounts=(Mount(kind="bind", source="/usr/share", target="/share", read_only=True, recursive="disabled"),),
    )

    async def all_lines() -> list[str]:
        lines = [one.text for one in await harness.lines(instance_id)]
        return lines if "/dev/other" in lines else []

    lines = await harness.until(all_lines)
    assert lines[0] == "77"
    assert "search example.test" in lines
    assert "options use-vc ndots:0" in lines
    assert any("4321" in line.split() for line in lines)
    assert "inside.example.org" in lines
    found = docker_client.api.inspect_container(instance_id)
    host = found["HostConfig"]
    assert (host["OomScoreAdj"], host["CpuShares"], host["MemoryReservation"]) == (100, 73, 32 << 20)
    assert (host["Runtime"], host["IpcMode"]) == ("runc", "shareable")
    assert found["Config"]["MacAddress"] == "02:42:ac:11:65:43"
    endpoint = found["NetworkSettings"]["Networks"][harness.network]
    assert endpoint["MacAddress"] == "02:42:ac:11:65:43"
    assert endpoint["IPAMConfig"]["LinkLocalIPs"] == ["169.254.9.9"]
    assert host["Mounts"][0]["BindOptions"] == {"NonRecursive": True}


async def test_links_volumes_and_namespaces_of_another_service(harness: Harness, docker_client: Any) -> None:
    other = await harness.run("echo kept > /data/file; sleep infinity", service="db", mounts=(DATA,), options=SHARE)
    line = "until cat /data/file; do sleep 0.1; done; getent hosts database; sleep infinity"
    instance_id = await harness.run(
        line,
        pid="service:db",
        options={"links": ["db:database"], "volumes_from": ["db:ro"], "ipc": "service:db"},
    )

    async def resolved() -> list[str]:
        lines = [one.text for one in await harness.lines(instance_id)]
        return lines if any("database" in line for line in lines) else []

    assert "kept" in await harness.until(resolved)
    host = docker_client.api.inspect_container(instance_id)["HostConfig"]
    assert (host["PidMode"], host["IpcMode"]) == (f"container:{other}", f"container:{other}")


DATA = Mount(kind="volume", target="/data")
SHARE = {"ipc": "shareable"}


async def test_what_is_missing_or_too_new_is_refused_before_anything_is_created(harness: Harness) -> None:
    with pytest.raises(EngineRefused, match="web refers to db, which has no container"):
        await harness.engine.create(harness.spec("true", options={"volumes_from": ["db"]}))
    newer = (Attachment(network="default", gw_priority=1),)
    with pytest.raises(ConfigurationError, match="gw_priority requires API"):
        await harness.engine.create(harness.spec("true", networks=newer))
    assert (await harness.engine.observe(harness.project)).instances == ()
