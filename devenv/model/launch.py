"""How the process engine runs one instance: plain values that travel to the daemon as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Kind = Literal["process", "backend"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """A port: ``container`` as in the stack file; ``host`` as published, ``None`` if the engine chooses.

    ``same``: if the engine chooses, prefer the port with the same number.
    """

    container: int
    host: int | None = None
    same: bool = False
    address: str = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A service that others reach under ``names`` (its own, its host name, its aliases)."""

    service: str
    names: tuple[str, ...]
    ports: tuple[Listening, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One instance.

    Attributes:
        id: ``<service>-<index>``, unique in the project.
        name: the instance's name, as on the other engines.
        kind: ``backend`` stands for the embedded trace backend.
        environment: complete, addresses not yet rewritten.
        port_env: variable by which it learns the first of its ports.
        restart: ``no``, ``always``, ``on-failure`` or ``unless-stopped``; ``maximum`` restarts, ``None``: no bound.
        grace: seconds between the stop signal and SIGKILL.
        limits: soft and hard limit by name, such as ``nofile``.
    """

    id: str
    name: str
    service: str
    index: int
    labels: Mapping[str, str]
    kind: Kind = "process"
    command: tuple[str, ...] = ()
    cwd: str = "."
    environment: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[Listening, ...] = ()
    peers: tuple[Peer, ...] = ()
    port_env: str = "PORT"
    restart: str = "no"
    maximum: int | None = None
    stop_signal: str = "SIGTERM"
    grace: float = 10.0
    limits: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Launch:
        """The reverse of :meth:`to_json`."""
        fields = dict(data)
        fields["command"] = tuple(fields["command"])
        fields["ports"] = tuple(Listening(**port) for port in fields["ports"])
        fields["peers"] = tuple(_peer(peer) for peer in fields["peers"])
        fields["limits"] = {name: (int(soft), int(hard)) for name, (soft, hard) in fields["limits"].items()}
        return cls(**fields)


def _peer(data: Mapping[str, Any]) -> Peer:
    ports = tuple(Listening(**port) for port in data["ports"])
    return Peer(service=data["service"], names=tuple(data["names"]), ports=ports)
