"""What an engine says is there: the observed state of one project."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Literal

from devenv.immutable import immutable


class State(StrEnum):
    """State of an instance, in the terms of the Docker engine."""

    CREATED = "created"
    RUNNING = "running"
    RESTARTING = "restarting"
    PAUSED = "paused"
    EXITED = "exited"
    DEAD = "dead"
    MISSING = "missing"


RUNS = frozenset({State.RUNNING, State.RESTARTING, State.PAUSED})
"""States in which an instance has a process, or gets one again without a request."""


class Health(StrEnum):
    """What devenv's own probe says; ``NONE``: has no probe; ``COMPLETED``: a one-shot that exited with 0."""

    NONE = "none"
    STARTING = "starting"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    COMPLETED = "completed"


@immutable(kw_only=True)
class PublishedPort:
    """A port of the host that leads to a port of an instance."""

    host: int
    container: int
    address: str = "127.0.0.1"
    protocol: str = "tcp"


@immutable(kw_only=True)
class ObservedInstance:
    """One container or process that carries the project's labels.

    Attributes:
        id: the engine's own id (container id, or ``<service>-<index>`` of the process engine).
        name: the engine's object name.
        index: ``devenv.instance``, from 1.
        config_hash: ``devenv.config-hash`` at its creation.
        exit_code: of the last exit; ``None`` while it runs or never ran.
        engine_health: result of the engine's own healthcheck, ``None`` if it has none.
        started_at: seconds since the epoch; ``None`` before the first start.
    """

    id: str
    name: str
    service: str
    index: int
    state: State
    config_hash: str
    image_id: str = ""
    exit_code: int | None = None
    oom_killed: bool = False
    error: str = ""
    restarts: int = 0
    started_at: float | None = None
    finished_at: float | None = None
    engine_health: Literal["starting", "healthy", "unhealthy"] | None = None
    ports: tuple[PublishedPort, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


@immutable(kw_only=True)
class ObservedObject:
    """A network or volume that carries the project's labels; ``key`` is its key in the stack file."""

    id: str
    name: str
    key: str
    config_hash: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@immutable(kw_only=True)
class ObservedState:
    """All objects of one project on an engine; empty if there are none."""

    instances: tuple[ObservedInstance, ...] = ()
    networks: tuple[ObservedObject, ...] = ()
    volumes: tuple[ObservedObject, ...] = ()

    @property
    def all_labels(self) -> tuple[Mapping[str, str], ...]:
        """Labels of every object, instances first."""
        return (
            *(item.labels for item in self.instances),
            *(item.labels for item in self.networks),
            *(item.labels for item in self.volumes),
        )

    def of(self, service: str) -> tuple[ObservedInstance, ...]:
        """Instances of ``service`` by index."""
        return tuple(sorted((i for i in self.instances if i.service == service), key=lambda i: i.index))


@immutable(kw_only=True)
class Usage:
    """Resource use of one instance: CPU in percent of one core since the last sample, memory in bytes."""

    cpu_percent: float
    memory_bytes: int
    memory_limit_bytes: int = 0
    pids: int = 0
