"""What every engine can do; the same contract tests run on each (``tests/contract/test_engine_*.py``).

An engine knows nothing of planning: it creates, starts, stops and removes what it is told, tells what is there, and
translates its own failures into :mod:`devenv.errors`. All names are complete when they arrive here. Everything that it
creates carries the labels that it is given, and nothing without the project's label is ever stopped or removed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from devenv.model.identity import Project
from devenv.model.stack import Build, Network, Service, Stack, Volume
from devenv.model.state import EngineName, ObservedState, Usage

LABEL_KEY = "devenv.key"
"""Label that an engine adds to a network or volume: its key in the stack file, as ``ObservedObject.key``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInfo:
    """Facts about an engine that answered; ``remote``: its ports are not this machine's loopback."""

    name: EngineName
    version: str
    api_version: str = ""
    address: str = ""
    remote: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One step of a pull or build; ``done`` and ``total`` in bytes, 0 where unknown."""

    text: str
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSpec:
    """A network to create; ``name`` is the engine's name for it."""

    name: str
    network: Network
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeSpec:
    """A named volume to create; ``name`` is the engine's name for it."""

    name: str
    volume: Volume
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileContent:
    """A file put into an instance before its start (secrets, configs, Jaeger's configuration)."""

    target: str
    content: bytes
    mode: int = 0o444
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceSpec:
    """An instance to create.

    Attributes:
        name: the engine's name for it, unless the service has ``container_name``.
        service: as resolved; its environment is final (tracing variables included).
        image: reference or id to run; empty on the process engine.
        networks: engine network name by key of the stack.
        volumes: engine volume name by key of the stack.
        network_container: engine id whose network is shared (``network_mode: service:x``).
        files: put into it before its start.
        stack: that it is part of, for an engine that has to know an instance's neighbours.
    """

    name: str
    project: Project
    service: Service
    index: int
    labels: Mapping[str, str]
    image: str = ""
    networks: Mapping[str, str] = field(default_factory=dict)
    volumes: Mapping[str, str] = field(default_factory=dict)
    network_container: str | None = None
    files: tuple[FileContent, ...] = ()
    stack: Stack | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecResult:
    """Outcome of a command in an instance; ``output`` is stdout and stderr as they came."""

    exit_code: int
    output: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitStatus:
    """How an instance ended; ``error`` is the engine's own word where the start itself failed."""

    exit_code: int
    oom_killed: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line of output, without its line end; ``time`` in seconds since the epoch."""

    time: float
    stream: Literal["stdout", "stderr"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineEvent:
    """Something that happened to an instance of the project: start, die, oom, destroy, health_status."""

    time: float
    action: str
    instance_id: str
    service: str
    index: int
    exit_code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a port of an instance is reached from this process."""

    host: str
    port: int


ProgressSink = Callable[[Progress], None]


class Engine(Protocol):
    """An engine. Methods raise errors of :mod:`devenv.errors` only; removing what is gone already is no error.

    No method blocks the event loop. Cancelling a call leaves nothing that ``observe`` would not show.
    """

    @property
    def name(self) -> EngineName:
        """Name as in ``--engine``."""
        ...

    async def info(self) -> EngineInfo:
        """Ask the engine who it is; raises :class:`~devenv.errors.EngineUnavailable` where none answers."""
        ...

    def check(self, service: Service, stack: Stack) -> None:
        """Refuse by name what this engine cannot give a service, before anything is started.

        Raises:
            ConfigurationError: at the service's place, with the key concerned.
        """
        ...

    async def observe(self, project: Project | None) -> ObservedState:
        """All that carries the label of ``project`` (its id), or of any project where ``None``."""
        ...

    async def image_id(self, reference: str) -> str | None:
        """Id of an image that the engine has, else ``None``. The process engine answers ``""``."""
        ...

    async def registry_has(self, reference: str) -> bool:
        """Whether the registry of an image answers that it has it; ``False`` where it does not answer."""
        ...

    async def image_healthcheck(self, reference: str) -> tuple[str, ...]:
        """The ``HEALTHCHECK`` test of an image that the engine has; empty where it has none."""
        ...

    async def pull(self, reference: str, *, platform: str | None, progress: ProgressSink) -> str:
        """Fetch an image and return its id; raises ``ImageMissing``, ``PullFailed`` or ``DiskFull``."""
        ...

    async def build(self, build: Build, *, tag: str, labels: Mapping[str, str], progress: ProgressSink) -> str:
        """Build and tag an image and return its id; output goes to ``progress``; raises ``BuildFailed``."""
        ...

    async def create_network(self, spec: NetworkSpec) -> str:
        """Create a network and return its id; the id of the existing one where it is there with the same labels."""
        ...

    async def create_volume(self, spec: VolumeSpec) -> str:
        """Create a volume and return its name; the existing one where it is there."""
        ...

    async def create(self, spec: InstanceSpec) -> str:
        """Create an instance without starting it and return its id; raises ``ImageMissing`` or ``EngineRefused``."""
        ...

    async def start(self, instance_id: str) -> None:
        """Start a created or exited instance; raises ``PortTaken`` where a published port is in use."""
        ...

    async def stop(self, instance_id: str, *, grace: float | None = None) -> None:
        """Ask an instance to end and kill it after ``grace`` seconds (``None``: as it was created with)."""
        ...

    async def kill(self, instance_id: str, *, signal: str = "SIGKILL") -> None:
        """Send a signal; no error where it has ended already."""
        ...

    async def remove(self, instance_id: str) -> None:
        """Remove an instance, killing it where it runs, together with its anonymous volumes."""
        ...

    async def remove_network(self, network_id: str) -> None:
        """Remove a network."""
        ...

    async def remove_volume(self, name: str) -> None:
        """Remove a named volume."""
        ...

    async def wait(self, instance_id: str) -> ExitStatus:
        """Wait until an instance has ended, and say how."""
        ...

    async def exec(
        self, instance_id: str, command: Sequence[str], *, environment: Mapping[str, str] | None = None
    ) -> ExecResult:
        """Run a command in a running instance and collect its output."""
        ...

    async def exec_attached(self, instance_id: str, command: Sequence[str], *, tty: bool) -> int:
        """Run a command with this process's stdin, stdout and stderr attached; returns its exit code."""
        ...

    def logs(
        self,
        instance_id: str,
        *,
        follow: bool = False,
        since: float | None = None,
        tail: int | None = None,
    ) -> AsyncIterator[LogLine]:
        """Output of an instance, oldest first; ``since`` in seconds since the epoch, ``tail`` the last lines."""
        ...

    async def usage(self, instance_id: str) -> Usage | None:
        """CPU and memory of a running instance; ``None`` where it does not run."""
        ...

    def events(self, project: Project) -> AsyncIterator[EngineEvent]:
        """What happens to the project's instances from now on, until cancelled."""
        ...

    async def endpoint(self, instance_id: str, port: int) -> Endpoint | None:
        """Where ``port`` of a running instance is reached from here; ``None``: only by a published port."""
        ...

    async def close(self) -> None:
        """Free connections and threads; the engine itself goes on."""
        ...
