"""How the process engine runs one instance: plain values for its daemon."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal

from devenv.immutable import immutable

Kind = Literal["process", "backend"]
Access = Literal["open", "token"]
RestartPolicy = Literal["no", "always", "on-failure", "unless-stopped"]


@immutable(kw_only=True)
class Listening:
    """A port: ``container`` as in the stack file; ``host`` as published, ``None`` if the daemon allocates one.

    Attributes:
        same: if the daemon allocates one, it takes the same number if that is free.
        published: it is shown, also if the daemon allocates it.
    """

    container: int
    host: int | None = None
    same: bool = False
    published: bool = False
    address: str = "127.0.0.1"


@immutable(kw_only=True)
class Peer:
    """A service that others reach under ``names`` (its own, its host name, its aliases)."""

    service: str
    names: tuple[str, ...]
    ports: tuple[Listening, ...]


@immutable(kw_only=True)
class TraceFolder:
    """A folder, relative to ``.devenv/``, in which the backend keeps its traces, and its limits."""

    path: str
    max_bytes: int
    max_age: float


@immutable(kw_only=True)
class Launch:
    """One instance.

    Attributes:
        id: ``<service>-<index>``, unique in the project.
        name: the instance's name, as on the other engines.
        kind: ``backend`` is the embedded trace backend.
        access: ``token``: the backend's query APIs and pages want its token.
        storage: where the backend keeps its traces; ``None``: in memory.
        cors_origins: whose pages may send spans to the backend, in addition to those of this machine.
        strategies: of the backend's remote sampling, by service; none: it does not serve them.
        environment: complete, addresses not yet rewritten.
        port_env: variable that contains the first of its ports.
        maximum: number of restarts; ``None``: no limit.
        grace: seconds between the stop signal and SIGKILL.
        limits: soft and hard limit by name, such as ``nofile``.
        places: where the keys of ``x-devenv.process`` are in the stack file, as ``file:line:column``.
    """

    id: str
    name: str
    service: str
    index: int
    labels: Mapping[str, str]
    kind: Kind = "process"
    access: Access = "open"
    cors_origins: tuple[str, ...] = ()
    storage: TraceFolder | None = None
    strategies: Mapping[str, Any] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    cwd: str = "."
    environment: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[Listening, ...] = ()
    peers: tuple[Peer, ...] = ()
    port_env: str = "PORT"
    restart: RestartPolicy = "no"
    maximum: int | None = None
    stop_signal: str = "SIGTERM"
    grace: float = 10.0
    limits: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)
