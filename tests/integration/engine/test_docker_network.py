"""Networks, names, ports and the way to them, on a real engine."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from engine_harness import Harness, docker, free_port

from devenv.clock import SystemClock
from devenv.contract.answers import Endpoint
from devenv.contract.specification import NetworkSpec, VolumeSpec
from devenv.errors import EngineRefused, NameTaken, PortTaken
from devenv.events import ignore
from devenv.health.waiter import check_once, wait_ready
from devenv.model.stack import AddressPool, Attachment, Network, Port, Volume
from devenv.model.state import Health
from devenv.testing.builders import make_labels

pytestmark = pytest.mark.docker

SERVE = "python -u -m http.server 8000"


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[Harness]:
    async with docker(tmp_path) as made:
        yield made


async def lookup(harness: Harness, instance_id: str, name: str) -> bool:
    return (await harness.engine.exec(instance_id, ["getent", "hosts", name])).exit_code == 0


async def test_services_find_each_other_by_all_their_names_on_all_their_networks(harness: Harness) -> None:
    back = f"{harness.project.id}_back"
    spec = NetworkSpec(name=back, network=Network(key="back"), labels=make_labels(harness.project))
    await harness.engine.create_network(spec)
    both = {"default": harness.network or "", "back": back}
    networks = (Attachment(network="default"), Attachment(network="back", aliases=("database",), priority=9))
    server = replace(harness.spec("sleep infinity", service="db", networks=networks), networks=both)
    server_id = await harness.engine.create(server)
    asking = replace(
        harness.spec("sleep infinity", service="app", networks=(Attachment(network="back"),)), networks=both
    )
    asking_id = await harness.engine.create(asking)
    apart_id = await harness.run("sleep infinity", service="apart")
    await asyncio.gather(*(harness.engine.start(i) for i in (server_id, asking_id)))
    for name in ("db", f"{harness.project.id}-db-1", "database"):
        assert await lookup(harness, asking_id, name), name
    assert await lookup(harness, apart_id, "db")  # on the default network, connected before the start
    assert not await lookup(harness, apart_id, "database")
    assert not await lookup(harness, apart_id, "app")


@asynccontextmanager
async def foreign(harness: Harness, name: str, **options: str) -> AsyncIterator[None]:
    """A container that Compose started from /srv/old."""
    labels = ["com.docker.compose.project=old", "com.docker.compose.project.working_dir=/srv/old"]
    words = [word for label in labels for word in ("--label", label)]
    words += [word for option, value in options.items() for word in (f"--{option}", value)]
    run = ("docker", "run", "-d", "--name", name, *words, harness.image, "sleep", "60")
    await asyncio.to_thread(subprocess.run, run, check=True, capture_output=True)
    try:
        yield
    finally:
        await asyncio.to_thread(subprocess.run, ("docker", "rm", "-f", name), check=True, capture_output=True)


async def test_what_keeps_a_network_or_a_volume_from_removal_is_named(harness: Harness) -> None:
    name, volume = f"{harness.project.id}-stranger", f"{harness.project.id}_data"
    spec = VolumeSpec(name=volume, volume=Volume(key="data"), labels=make_labels(harness.project))
    await harness.engine.create_volume(spec)
    (network,) = (await harness.engine.observe(harness.project)).networks
    async with foreign(harness, name, network=network.name, volume=f"{volume}:/data"):
        said = f"in use by container {name} of project old in /srv/old"
        with pytest.raises(EngineRefused, match=f"cannot remove network {network.name}: {said}") as caught:
            await harness.engine.remove_network(network.id)
        assert f"`docker network disconnect {network.name} {name}`" in caught.value.hint
        with pytest.raises(EngineRefused, match=f"cannot remove volume {volume}: {said}"):
            await harness.engine.remove_volume(volume)


async def test_what_holds_a_name_is_named(harness: Harness) -> None:
    name = f"{harness.project.id}-stranger"
    async with foreign(harness, name):
        said = f"container {name} of project old in /srv/old"
        assert await harness.engine.name_owner(name) == said
        with pytest.raises(NameTaken, match=f"the container name {name} of web is in use by {said}"):
            await harness.engine.create(harness.spec("sleep 9", container_name=name))
    assert await harness.engine.name_owner(name) == ""


async def test_a_network_has_the_addresses_of_its_pools(harness: Harness) -> None:
    name = f"{harness.project.id}_pools"
    pool = AddressPool(
        subnet="10.213.0.0/16", gateway="10.213.9.1", ip_range="10.213.5.0/24", aux_addresses={"kept": "10.213.5.0"}
    )
    network = Network(key="pools", pools=(pool,))
    await harness.engine.create_network(NetworkSpec(name=name, network=network, labels=make_labels(harness.project)))
    spec = harness.spec(
        "sleep infinity", networks=(Attachment(network="pools"),), extra_hosts={"db": "10.0.0.1,10.0.0.2"}
    )
    instance_id = await harness.engine.create(replace(spec, networks={"pools": name}))
    await harness.engine.start(instance_id)
    addresses = (await harness.engine.exec(instance_id, ["hostname", "-i"])).output.decode()
    assert addresses.startswith("10.213.5.1"), addresses
    routes = (await harness.engine.exec(instance_id, ["cat", "/proc/net/route"])).output.decode()
    assert "0109D50A" in routes, "the gateway, in the kernel's byte order"
    hosts = (await harness.engine.exec(instance_id, ["cat", "/etc/hosts"])).output.decode()
    assert [line.split()[0] for line in hosts.splitlines() if line.endswith("db")] == ["10.0.0.1", "10.0.0.2"]


async def test_replicas_share_the_services_name(harness: Harness) -> None:
    for index in (1, 2):
        await harness.run("sleep infinity", service="many", index=index)
    asking = await harness.run("sleep infinity", service="app")
    found = await harness.engine.exec(asking, ["getent", "ahostsv4", "many"])
    assert len({line.split()[0] for line in found.output.decode().splitlines()}) == 2


async def test_a_port_held_by_a_process_names_the_process(harness: Harness) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        instance_id = await harness.engine.create(harness.spec("true", ports=(Port(container=80, host=port),)))
        with pytest.raises(PortTaken) as caught:
            await harness.engine.start(instance_id)
    assert str(port) in caught.value.message
    assert f"pid {os.getpid()}" in caught.value.message
    assert caught.value.hint
    await harness.engine.start(instance_id)  # the port is free again, and nothing is left of the failed start


async def test_the_way_to_a_port_that_is_not_published(harness: Harness) -> None:
    instance_id = await harness.run(SERVE, expose=(8000,))
    endpoint = await harness.engine.endpoint(instance_id, 8000)
    assert endpoint is not None
    assert endpoint.host not in ("127.0.0.1", "localhost")
    assert endpoint.port == 8000


async def test_a_service_on_the_network_of_another(harness: Harness) -> None:
    owner = await harness.run("sleep infinity", service="owner")
    spec = replace(
        harness.spec(SERVE, service="guest", network_mode="service:owner", networks=()), network_container=owner
    )
    guest = await harness.engine.create(spec)
    await harness.engine.start(guest)
    assert await harness.engine.endpoint(guest, 8000) == await harness.engine.endpoint(owner, 8000)


async def test_the_hosts_network_and_none(harness: Harness) -> None:
    hosts = await harness.run("sleep infinity", service="hosts", network_mode="host", networks=())
    none = await harness.run("sleep infinity", service="none", network_mode="none", networks=())
    assert await harness.engine.endpoint(hosts, 8000) == Endpoint(host="127.0.0.1", port=8000)
    assert await harness.engine.endpoint(none, 8000) is None


async def test_an_ephemeral_port_is_chosen_by_the_engine(harness: Harness) -> None:
    instance_id = await harness.run("sleep infinity", ports=(Port(container=8000),))
    (port,) = (await harness.seen(instance_id)).ports
    assert port.container == 8000
    assert port.host > 0
    assert port.address == "127.0.0.1"


@pytest.mark.parametrize(
    "ready",
    [
        {"http": {"path": "/", "port": 8000}},
        {"tcp": 8000},
        {"log": "Serving HTTP on"},
        {"exec": ["python3", "-c", "import socket; socket.create_connection(('localhost', 8000)).close()"]},
    ],
    ids=lambda ready: next(iter(ready)),
)
async def test_each_probe_finds_a_real_service_ready(harness: Harness, ready: dict[str, object]) -> None:
    spec = harness.spec("sleep 0.5; " + SERVE, ports=(Port(container=8000, host=free_port()),))
    service = replace(spec.service, x=type(spec.service.x).model_validate({"ready": ready}))
    clock = SystemClock()
    instance_id = await harness.engine.create(replace(spec, service=service))
    started_at = clock.monotonic()
    await harness.engine.start(instance_id)
    outcome = await wait_ready(
        harness.engine,
        instance_id,
        service,
        1,
        image_healthcheck=(),
        timeout=30,
        clock=clock,
        sink=ignore,
        started_at=started_at,
    )
    assert outcome.ready, outcome.failure
    assert outcome.ready_ms > 500
    if "exec" not in ready:  # Python takes its time to start on a busy machine
        assert await check_once(harness.engine, instance_id, service, image_healthcheck=()) is Health.HEALTHY
