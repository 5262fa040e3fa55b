"""What every engine can do; the same contract tests run on each (``tests/contract/test_engine_*.py``).

An engine does not plan: it creates, starts, stops and removes what it is told, reports what exists, and translates its
own failures into :mod:`devenv.errors`. All names are complete when they arrive here. Everything that it creates has the
labels that it is given, and nothing without the project's label is ever stopped or removed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

from devenv.contract.answers import (
    Endpoint,
    EngineEvent,
    EngineInfo,
    ExecResult,
    ExitStatus,
    ImageConfig,
    LogLine,
    ProgressSink,
)
from devenv.contract.capabilities import Capabilities
from devenv.contract.specification import BuildSpec, InstanceSpec, NetworkSpec, VolumeSpec
from devenv.model.identity import Project
from devenv.model.stack import Service, Stack
from devenv.model.state import ObservedState, Usage


class InstanceAccess(Protocol):
    """The part of an engine that probes and waiters need: exits, commands, output and addresses of instances."""

    async def wait(self, instance_id: str) -> ExitStatus:
        """Wait until an instance has ended and return how."""
        ...

    async def exec(
        self,
        instance_id: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        user: str = "",
        privileged: bool = False,
        working_dir: str = "",
    ) -> ExecResult:
        """Run a command in a running instance and collect its output; what is empty is as the instance has it."""
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

    async def endpoint(self, instance_id: str, port: int) -> Endpoint | None:
        """Return the address of ``port`` of a running instance; ``None``: only a published port is reachable."""
        ...


class Engine(InstanceAccess, Protocol):
    """An engine. Methods raise errors of :mod:`devenv.errors` only; removing what does not exist is not an error.

    No method blocks the event loop. Cancelling a call leaves nothing that ``observe`` would not show.
    """

    @property
    def name(self) -> str:
        """Name as in ``--engine``, for people and for the record; decisions need :attr:`capabilities`."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it can do, without asking it."""
        ...

    async def info(self) -> EngineInfo:
        """Return facts about the engine.

        Raises:
            EngineUnavailable: If it does not answer.
        """
        ...

    def check(self, service: Service, stack: Stack) -> None:
        """Refuse what this engine cannot give a service, before anything is started.

        Raises:
            ConfigurationError: At the service's place, with the key concerned.
        """
        ...

    async def observe(self, project: Project | None) -> ObservedState:
        """Return all that has the label of ``project`` (its ID), or of any project if ``None``."""
        ...

    async def image_id(self, reference: str) -> str | None:
        """Return the ID of an image that the engine has, else ``None``; ``""`` on an engine without images."""
        ...

    async def image_age(self, reference: str) -> float | None:
        """Return how many seconds ago the engine got an image under this name; ``None`` if it does not know it."""
        ...

    async def registry_has(self, reference: str) -> bool:
        """Return whether the registry of an image answers that it has it; ``False`` if it does not answer."""
        ...

    async def image_config(self, reference: str) -> ImageConfig | None:
        """Return the configuration of an image that the engine has, else ``None``."""
        ...

    async def pull(self, reference: str, *, platform: str | None, progress: ProgressSink) -> str:
        """Fetch an image and return its ID.

        Raises:
            ImageMissing: If the registry does not have it.
            PullFailed: If the registry refuses or does not answer.
            DiskFull: If the engine's disk is full.
        """
        ...

    async def build(self, spec: BuildSpec, *, progress: ProgressSink) -> str:
        """Build and tag an image and return its ID; output goes to ``progress``.

        Raises:
            BuildFailed: If a step fails.
        """
        ...

    async def create_network(self, spec: NetworkSpec) -> str:
        """Create a network and return its ID; that of the existing one if it has the same labels."""
        ...

    async def create_volume(self, spec: VolumeSpec) -> str:
        """Create a volume, unless it exists, and return its name."""
        ...

    async def create(self, spec: InstanceSpec) -> str:
        """Create an instance without starting it and return its ID.

        Raises:
            ImageMissing: If the engine does not have the image.
            EngineRefused: If the engine refuses it for another reason.
        """
        ...

    async def start(self, instance_id: str) -> None:
        """Start a created or exited instance.

        Raises:
            PortTaken: If a published port is in use.
            EngineRefused: If it cannot start for another reason.
        """
        ...

    async def stop(self, instance_id: str, *, grace: float | None = None) -> None:
        """Ask an instance to end and kill it after ``grace`` seconds (``None``: as it was created with)."""
        ...

    async def kill(self, instance_id: str, *, signal: str = "SIGKILL") -> None:
        """Send a signal; an instance that has ended is not an error."""
        ...

    async def remove(self, instance_id: str) -> None:
        """Remove an instance together with its anonymous volumes, and kill it first if it runs."""
        ...

    async def remove_network(self, network_id: str) -> None:
        """Remove a network."""
        ...

    async def remove_volume(self, name: str) -> None:
        """Remove a named volume."""
        ...

    async def exec_attached(self, instance_id: str, command: Sequence[str], *, tty: bool) -> int:
        """Run a command with this process's stdin, stdout and stderr attached and return its exit code."""
        ...

    async def usage(self, instance_id: str) -> Usage | None:
        """Return CPU and memory use of a running instance; ``None`` if it does not run."""
        ...

    async def port_owner(self, port: int, protocol: str) -> str:
        """Return which instance publishes a port of this machine, of devenv or not; empty if the engine has none."""
        ...

    async def name_owner(self, name: str) -> str:
        """Return which instance has a name that no other can have, of devenv or not; empty if none has."""
        ...

    def events(self, project: Project) -> AsyncIterator[EngineEvent]:
        """Changes of the project's instances from now on, until cancelled."""
        ...

    async def history(self, project: Project, *, since: float) -> list[EngineEvent]:
        """Return what happened to the project's instances, oldest first, as far as the engine still knows it.

        Args:
            project: whose instances.
            since: seconds since the epoch.
        """
        ...

    async def close(self) -> None:
        """Free connections and threads; the engine itself keeps running."""
        ...
