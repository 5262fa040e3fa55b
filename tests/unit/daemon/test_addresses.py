"""Rewriting of service host names: where they stand as an address, and nowhere else."""

from __future__ import annotations

import socket

import pytest

from devenv.daemon.addresses import Ports, Rewriting
from devenv.engine.host_ports import is_free
from devenv.engine.process.launch import Listening, Peer

PEERS = (
    Peer(service="user", names=("user", "accounts"), ports=(Listening(container=8082, host=9082),)),
    Peer(service="db", names=("db",), ports=(Listening(container=5432, host=9432), Listening(container=80, host=9080))),
    Peer(service="my-api.v1", names=("my-api.v1",), ports=(Listening(container=80, host=9180),)),
    Peer(service="quiet", names=("quiet",), ports=()),
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("http://user:8082", "http://127.0.0.1:9082"),
        ("http://user:8082/users?x=user", "http://127.0.0.1:9082/users?x=user"),
        ("http://user", "http://127.0.0.1:9082"),
        ("http://user/path", "http://127.0.0.1:9082/path"),
        ("http://accounts:8082", "http://127.0.0.1:9082"),
        ("user:8082", "127.0.0.1:9082"),
        ("user:8082,db:5432", "127.0.0.1:9082,127.0.0.1:9432"),
        ("postgresql://me:secret@db:5432/user", "postgresql://me:secret@127.0.0.1:9432/user"),
        ("postgresql+asyncpg://user:pw@db/app", "postgresql+asyncpg://user:pw@127.0.0.1:9432/app"),
        ("http://db:80", "http://127.0.0.1:9080"),
        ("http://my-api.v1:80/x", "http://127.0.0.1:9180/x"),
        ("http://user:9999", "http://127.0.0.1:9999"),
        ("http://quiet", "http://127.0.0.1"),
        # Not addresses, or another program's.
        ("user", "user"),
        ("role=user", "role=user"),
        ("http://user.example.com:8082", "http://user.example.com:8082"),
        ("http://superuser:8082", "http://superuser:8082"),
        ("superuser:8082", "superuser:8082"),
        ("user-service:8082", "user-service:8082"),
        ("http://users:8082", "http://users:8082"),
        ("user:pass", "user:pass"),
        ("http://example.com/user:8082", "http://example.com/user:8082"),
        ("user@db", "user@db"),
        ("C:\\user:80x", "C:\\user:80x"),
    ],
)
def test_host_names_are_rewritten_only_as_addresses(value: str, expected: str) -> None:
    assert Rewriting(PEERS, Ports(0)).environment({"X": value}) == {"X": expected}


def test_the_words_of_a_command_are_led_to_this_machine_as_values_are() -> None:
    command = ("worker", "--url", "redis://db:5432/0", "--name=user", "--broker=user:8082", "user")
    assert Rewriting(PEERS, Ports(0)).command(command) == (
        "worker", "--url", "redis://127.0.0.1:9432/0", "--name=user", "--broker=127.0.0.1:9082", "user",
    )  # fmt: skip
    assert Rewriting((), Ports(0)).command(command) == command


def test_a_host_name_and_its_port_in_variables_of_their_own() -> None:
    given = {"DB_HOST": "db", "DB_PORT": "5432", "HOST": "user", "PORT": "8082", "CACHE_HOST": "cache", "NAME": "db"}
    assert Rewriting(PEERS, Ports(0)).environment({**given, "QUIET_SERVER": "quiet", "QUIET_PORT": "7"}) == {
        **given,
        "DB_HOST": "127.0.0.1",
        "DB_PORT": "9432",
        "HOST": "127.0.0.1",
        "PORT": "9082",
        "QUIET_SERVER": "127.0.0.1",
        "QUIET_PORT": "7",
    }


def test_allotted_ports_stay_and_differ() -> None:
    ports = Ports(1234)
    port = Listening(container=80)
    first = ports.host_port("a", 1, port)
    assert ports.host_port("a", 1, port) == first
    assert ports.host_port("a", 2, port) != first
    assert ports.host_port("b", 1, port) not in {first, ports.host_port("a", 2, port)}
    assert is_free("127.0.0.1", first)


def test_a_port_that_is_in_use_is_not_allotted() -> None:
    wanted = Ports(77).host_port("a", 1, Listening(container=80))
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", wanted))
        holder.listen()
        assert not is_free("127.0.0.1", wanted)
        assert Ports(77).host_port("a", 1, Listening(container=80)) != wanted


def test_published_ports_are_as_published() -> None:
    assert Ports(0).host_port("a", 1, Listening(container=80, host=8080)) == 8080
