"""Ports of local processes, and the rewriting of service host names in environment values and in commands.

On Docker ``http://auth:8081`` leads to the container of ``auth``; here every service listens on this machine, so host
names are rewritten in ``scheme://host[:port]`` and ``host:port``, and where a variable called ``…HOST`` has nothing but
the name; then also the number in ``…PORT`` of the same beginning. Nowhere else: a service may be called ``user``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from devenv.engine.host_ports import is_free_on_loopback
from devenv.errors import EngineRefused
from devenv.model.service_addresses import address_pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from devenv.engine.process.launch import Listening, Peer

FIRST_PORT = 20_000
"""Allocated ports are below the range that the system uses for outgoing connections."""

LAST_PORT = 31_999
LOOPBACK = "127.0.0.1"
_HOST = re.compile(r"^(?P<stem>(?:.*_)?)(?:HOST|HOSTNAME|SERVER|ADDR|ADDRESS)$")
"""Names of variables whose whole value is a host name."""


class Ports:
    """The port on this machine of each ``(service, index, container port)``; once allocated it stays.

    Args:
        seed: start of the search, so that two projects rarely use the same ports.
    """

    def __init__(self, seed: int) -> None:
        self._next = FIRST_PORT + seed % (LAST_PORT - FIRST_PORT)
        self._allotted: dict[tuple[str, int, int], int] = {}

    def host_port(self, service: str, index: int, port: Listening) -> int:
        """The port as published, else the allocated one; the first call finds a free one."""
        if port.host is not None:
            return port.host
        key = (service, index, port.container)
        if key not in self._allotted:
            fits = port.same and port.container not in self._allotted.values() and is_free_on_loopback(port.container)
            self._allotted[key] = port.container if fits else self._search()
        return self._allotted[key]

    def _search(self) -> int:
        taken = set(self._allotted.values())
        for _ in range(FIRST_PORT, LAST_PORT):
            candidate = self._next
            self._next = FIRST_PORT if candidate >= LAST_PORT else candidate + 1
            if candidate not in taken and is_free_on_loopback(candidate):
                return candidate
        raise EngineRefused(
            f"no port between {FIRST_PORT} and {LAST_PORT} is free",
            hint="stop a program that uses some of them, or publish fixed ports under ports: in the stack file",
        )


class Rewriting:
    """Leads the host names of ``peers`` to this machine.

    A port that the peer does not list is kept, because it may listen there all the same; a name without a port gets
    the peer's first one.
    """

    def __init__(self, peers: Iterable[Peer], ports: Ports) -> None:
        self._ports = ports
        self._by_name = {name: peer for peer in peers for name in peer.names}
        self._pattern = address_pattern(self._by_name)

    def text(self, value: str) -> str:
        """Return ``value`` with its addresses rewritten."""
        return self._pattern.sub(self._replace, value) if self._by_name else value

    def command(self, words: Iterable[str]) -> tuple[str, ...]:
        """Return the words of a command with their addresses rewritten."""
        return tuple(map(self.text, words))

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return variables with their addresses rewritten, and those that have a host name and its port apart."""
        return {name: self.text(value) for name, value in given.items()} | _apart(given, self._by_name, self._ports)

    def _replace(self, found: re.Match[str]) -> str:
        peer = self._by_name[found["host"] or found["bare"]]
        port = found["port"] or found["bare_port"]
        return (found["scheme"] or "") + _address(peer, int(port) if port else None, self._ports)


def _apart(environment: Mapping[str, str], by_name: Mapping[str, Peer], ports: Ports) -> dict[str, str]:
    """The variables that have a host name without a port, and those with its port."""
    found: dict[str, str] = {}
    for name, value in environment.items():
        host, peer = _HOST.match(name), by_name.get(value)
        if host is None or peer is None:
            continue
        found[name] = LOOPBACK
        number = f"{host['stem']}PORT"
        if environment.get(number, "").isdecimal():
            found[number] = _address(peer, int(environment[number]), ports).rpartition(":")[2]
    return found


def _address(peer: Peer, container_port: int | None, ports: Ports) -> str:
    for port in peer.ports:
        if container_port is None or port.container == container_port:
            return f"{LOOPBACK}:{ports.host_port(peer.service, 1, port)}"
    return LOOPBACK if container_port is None else f"{LOOPBACK}:{container_port}"
