"""Host ports: their owners, and the block that a directory keeps."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from orchestration import JAEGER, World, service, stack

from devenv.engine import host_ports
from devenv.engine.process.engine import CAPABILITIES as PROCESS
from devenv.errors import ConfigurationError, EnvironmentFailure, NameTaken, PortTaken
from devenv.events import Notice
from devenv.model.identity import identify
from devenv.model.stack import Port, Stack
from devenv.orchestrate.port_block import allot
from devenv.orchestrate.published_ports import is_free
from devenv.testing import FakeEngine


@contextmanager
def listening(address: str = "127.0.0.1") -> Iterator[int]:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as server:
        try:
            server.bind((address, 0))
        except OSError as error:
            pytest.skip(f"{address}: {error}")
        server.listen()
        yield server.getsockname()[1]


def hosts(wanted: Stack, name: str) -> list[int | None]:
    return [port.host for port in wanted.services[name].ports]


def two_services(first: int = 8080, second: int = 9090) -> Stack:
    return stack(
        service("web", ports=(Port(container=80, host=first), Port(container=81))),
        service("api", ports=(Port(container=80, host=second),)),
    )


def test_free_or_not() -> None:
    with listening() as port:
        assert not is_free("127.0.0.1", port, "tcp")
        assert not is_free("0.0.0.0", port, "tcp")
    assert is_free("127.0.0.1", port, "tcp")
    assert is_free("127.0.0.1", port, "udp")


async def test_the_owner_of_a_taken_port_is_another_project() -> None:
    world = World()
    other = World(clock=world.clock)
    other.engine = world.engine
    other.project = identify(world.directory / "other", "shop")
    with listening() as port:
        wanted = stack(service("web", ports=(Port(container=80, host=port),)))
        with listening() as another:  # a port that is certainly free: the next number may be in use
            holder = stack(service("api", ports=(Port(container=80, host=another),)))
        await other.up(holder)
        instance = next(i for i in world.engine.instances.values() if i.service == "api")
        instance.ports = tuple(type(p)(host=port, container=80) for p in instance.ports)
        with pytest.raises(PortTaken) as caught:
            await world.up(wanted)
    assert f"port {port} of web is in use by service api of project {other.project.id}" in caught.value.message
    assert caught.value.details["port"] == port


async def test_the_owner_of_a_taken_port_is_a_container_of_another_tool() -> None:
    world = World()
    with listening() as port:
        world.engine.foreign_ports[port] = "container shop-db-1 of project shop in /srv/shop"
        with pytest.raises(PortTaken) as caught:
            await world.up(stack(service("web", ports=(Port(container=80, host=port),))))
    assert f"port {port} of web is in use by container shop-db-1 of project shop in /srv/shop" in caught.value.message
    assert "stop container shop-db-1" in caught.value.hint
    assert world.engine.instances == {}


async def test_a_port_that_is_taken_on_the_address_of_ipv6() -> None:
    world = World()
    with listening("::1") as port:
        wanted = stack(service("web", ports=(Port(container=80, host=port, address="::1"),)))
        with pytest.raises(PortTaken, match=f"port {port} on ::1 of web is in use by .*pid {os.getpid()}"):
            await world.up(wanted)
    assert world.engine.instances == {}


async def test_another_program_on_the_same_port_of_ipv6_is_told_but_not_in_the_way() -> None:
    world = World()
    with listening("::1") as port:
        result = await world.up(stack(service("web", ports=(Port(container=80, host=port),))))
        assert not any(item.failure for item in result.services)
        (text,) = [event.message for event in world.events if isinstance(event, Notice) and event.warning]
        assert text.startswith(f"port {port} on ::1 is in use by ")
        assert f"http://localhost:{port} may reach it instead of web" in text


async def test_the_embedded_backend_needs_both_addresses_and_its_port_is_checked_before_anything_starts() -> None:
    world = World()
    world.engine = FakeEngine(world.clock, capabilities=PROCESS)
    with listening("::1") as port:
        backend = service("jaeger", image=JAEGER, ports=(Port(container=4318, host=port),))
        with pytest.raises(PortTaken, match=f"port {port} on ::1 of jaeger is in use by "):
            await world.up(stack(service("web"), backend, backend=False))
    assert world.engine.instances == {}


async def test_a_port_that_the_embedded_backend_does_not_listen_on_may_be_in_use() -> None:
    world = World()
    world.engine = FakeEngine(world.clock, capabilities=PROCESS)
    with listening() as port:
        backend = service("jaeger", image=JAEGER, ports=(Port(container=9411, host=port),))
        result = await world.up(stack(service("web"), backend, backend=False))
    assert not any(item.failure for item in result.services)


async def test_the_embedded_backend_listens_for_grpc() -> None:
    world = World()
    world.engine = FakeEngine(world.clock, capabilities=PROCESS)
    with listening() as port:
        backend = service("jaeger", image=JAEGER, ports=(Port(container=4317, host=port),))
        with pytest.raises(PortTaken, match=f"port {port} of jaeger is in use by "):
            await world.up(stack(service("web"), backend, backend=False))


def test_an_address_that_this_machine_does_not_have_is_not_in_use() -> None:
    assert host_ports.is_free("192.0.2.1", 8080)


def test_a_port_counts_as_free_if_nothing_uses_it_on_either_loopback_address() -> None:
    with listening("::1") as port:
        assert not host_ports.is_free_on_loopback(port)
    assert host_ports.is_free_on_loopback(port)


async def test_the_holder_of_a_container_name_is_named_before_anything_starts() -> None:
    world = World()
    world.engine.foreign_names["shop-db"] = "container shop-db of project old in /srv/old"
    with pytest.raises(NameTaken) as caught:
        await world.up(stack(service("web"), service("db", container_name="shop-db")))
    assert "container name shop-db of db is in use by container shop-db of project old in /srv/old" in str(caught.value)
    assert "`docker rm -f shop-db`, or change container_name of db" in caught.value.hint
    assert world.engine.instances == {}


async def test_a_container_name_of_the_project_itself_is_not_taken() -> None:
    world = World()
    await world.up(stack(service("db", container_name="shop-db")))
    result = await world.up(stack(service("db", container_name="shop-db", environment={"A": "1"})))
    assert not any(item.failure for item in result.services)


async def test_ports_that_the_project_holds_itself_are_not_taken() -> None:
    world = World()
    with listening() as port:
        pass
    await world.up(stack(service("web", ports=(Port(container=80, host=port),))))
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", port))
        held.listen()
        changed = stack(service("web", environment={"A": "1"}, ports=(Port(container=80, host=port),)))
        result = await world.up(changed)
    assert not any(item.failure for item in result.services)


async def test_a_port_of_the_added_backend_that_a_service_of_the_stack_publishes() -> None:
    world = World()
    shop = service("shop", ports=(Port(container=8000, host=4318, address="0.0.0.0"),))
    with pytest.raises(ConfigurationError) as caught:
        await world.up(stack(shop, backend=False))
    assert "port 4318 is published by shop and by the trace backend that devenv adds" in str(caught.value)
    assert "`x-devenv: {role: trace-backend}`" in caught.value.hint
    assert world.engine.instances == {}


async def test_a_port_that_two_services_publish() -> None:
    world = World()
    with pytest.raises(ConfigurationError, match="host port 8080 is published by web and api"):
        await world.up(two_services(second=8080))
    assert world.engine.instances == {}


async def test_a_block_settles_ports_that_two_services_publish(tmp_path: Path) -> None:
    world = World(directory=tmp_path)
    result = await world.up(two_services(second=8080), isolated=True)
    assert not any(item.failure for item in result.services)


def test_a_block_is_kept(tmp_path: Path) -> None:
    project = identify(tmp_path)
    first = allot(project, two_services(), remember=True)
    chosen = [*hosts(first, "web"), *hosts(first, "api")]
    assert chosen[1] is None
    assert len({chosen[0], chosen[2]}) == 2
    assert all(20_000 <= port < 32_000 for port in (chosen[0], chosen[2]) if port)
    second = allot(project, two_services(), remember=True)
    assert [*hosts(second, "web"), *hosts(second, "api")] == chosen
    more = allot(project, two_services(second=9999), remember=True)
    assert hosts(more, "web") == hosts(first, "web")
    assert hosts(more, "api") != hosts(first, "api")


def test_a_proposal_writes_nothing(tmp_path: Path) -> None:
    allot(identify(tmp_path), two_services(), remember=False)
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    project = identify(tmp_path)
    project.state_directory.mkdir()
    (project.state_directory / "ports.json").write_text("[]")
    with pytest.raises(EnvironmentFailure, match=r"cannot read .*ports\.json"):
        allot(project, two_services(), remember=True)


async def test_isolated_ports_change_nothing_after_an_up_that_got_an_image(tmp_path: Path) -> None:
    """The fingerprint is made again when images are there; it is without the ports of the block then, too."""
    world = World(directory=tmp_path)
    wanted = two_services(second=8080)
    world.engine.registry = dict(world.engine.images)
    await world.up(wanted, isolated=True, pull=True)
    assert (await world.plan(wanted, isolated=True)).count("keep") == 3


async def test_isolated_ports_are_published_and_kept(tmp_path: Path) -> None:
    world = World(directory=tmp_path)
    wanted = two_services()
    plain = await world.up(wanted, isolated=True)
    assert (await world.plan(wanted, isolated=True)).count("keep") == 3
    kept = json.loads((tmp_path / ".devenv" / "ports.json").read_text())["ports"]
    assert {p.host for s in plain.services for i in s.instances for p in i.ports if p.host in kept.values()} == set(
        kept.values()
    )
    assert "published ports changed" in await world.plan(wanted)
