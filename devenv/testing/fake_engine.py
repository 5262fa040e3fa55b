"""An engine in memory, with the behaviour of the real ones and faults on demand."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace

from devenv.clock import Clock
from devenv.contract.answers import (
    Endpoint,
    EngineEvent,
    EngineInfo,
    ExecResult,
    ExitStatus,
    LogLine,
)
from devenv.contract.capabilities import Capabilities
from devenv.contract.specification import InstanceSpec
from devenv.errors import EngineRefused, ImageMissing, PortTaken
from devenv.model.identity import LABEL_PROJECT, Project
from devenv.model.stack import Service, Stack
from devenv.model.state import ObservedState, PublishedPort, State, Usage
from devenv.testing.fake_clock import FakeClock
from devenv.testing.fake_instance import FakeInstance
from devenv.testing.fake_storage import FakeStorage
from devenv.testing.faults import Crashed
from devenv.testing.script import FakeImage, Script

__all__ = ["CONTAINERS", "Crashed", "FakeEngine"]

CONTAINERS = Capabilities(
    images=True, networks=True, volumes=True, processes=False, shared_loopback=False, trace_backend="jaeger"
)
"""What a fake engine can do if its maker does not say."""


class FakeEngine(FakeStorage):
    """A scriptable :class:`devenv.contract.engine.Engine`.

    Attributes:
        scripts: by service name; a service without one runs its command in a tiny shell.
        foreign_ports: ports of the host that something else holds, with its name.
        foreign_names: names of containers that something else holds, with its description.
    """

    def __init__(
        self, clock: Clock | None = None, *, name: str = "docker", capabilities: Capabilities = CONTAINERS
    ) -> None:
        self.clock: Clock = clock or FakeClock()
        super().__init__(self.clock)
        self.scripts: dict[str, Script] = {}
        self.foreign_ports: dict[int, str] = {}
        self.foreign_names: dict[str, str] = {}
        self._name = name
        self._capabilities = capabilities
        self._listeners: list[asyncio.Queue[EngineEvent]] = []
        self._happened: list[tuple[str, EngineEvent]] = []

    @property
    def name(self) -> str:
        """As given."""
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        """As given."""
        return self._capabilities

    async def info(self) -> EngineInfo:
        """Answers unless lost."""
        await self.faults.enter("info", "")
        return EngineInfo(name=self._name, version="fake", api_version="0", address="memory")

    def check(self, service: Service, stack: Stack) -> None:
        """Refuses nothing."""

    async def observe(self, project: Project | None) -> ObservedState:
        """All that carries the project's label."""
        await self.faults.enter("observe", project.id if project else "")

        def belongs(labels: Mapping[str, str]) -> bool:
            return LABEL_PROJECT in labels if project is None else labels.get(LABEL_PROJECT) == project.id

        return ObservedState(
            instances=tuple(i.observed() for i in self.instances.values() if belongs(i.spec.labels)),
            networks=tuple(n for n in self.networks.values() if belongs(n.labels)),
            volumes=tuple(v for v in self.volumes.values() if belongs(v.labels)),
        )

    async def create(self, spec: InstanceSpec) -> str:
        """Create an instance; if the engine runs images, its own has to exist."""
        await self.faults.enter("create", spec.name)
        name = spec.service.container_name or spec.name
        if any(name == (i.spec.service.container_name or i.spec.name) for i in self.instances.values()):
            raise EngineRefused(f"the name {name} is in use by another container")
        image = self._image(spec.image) if spec.image and self._capabilities.images else FakeImage("")
        if image is None:
            raise ImageMissing(f"image {spec.image} is missing", details={"image": spec.image})
        spec = replace(spec, service=replace(spec.service, container_name=name))
        instance_id = f"{next(self._ids):012x}"
        script = self.scripts.get(spec.service.name)
        self.instances[instance_id] = FakeInstance(instance_id, spec, image.id, self.clock, script, self._notify)
        self.faults.leave("create")
        return instance_id

    async def start(self, instance_id: str) -> None:
        """Start it, with its ports checked against the others' and :attr:`foreign_ports`."""
        await self.faults.enter("start", instance_id)
        instance = self._get(instance_id)
        if instance.alive:
            return
        if instance.script is not None:
            await self.clock.sleep(instance.script.start_seconds)
            self._start_error(instance.script)
        instance.ports = self._publish(instance)
        instance.begin()
        self.faults.leave("start")

    async def stop(self, instance_id: str, *, grace: float | None = None) -> None:
        """Ask it to end, then kill it."""
        await self.faults.enter("stop", instance_id)
        instance = self._get(instance_id)
        if instance.alive:
            instance.receive(instance.spec.service.stop_signal or "SIGTERM")
        if instance.alive:
            await self.clock.sleep(instance.spec.service.stop_grace_period if grace is None else grace)
            instance.receive("SIGKILL")
        self.faults.leave("stop")

    async def kill(self, instance_id: str, *, signal: str = "SIGKILL") -> None:
        """Send a signal."""
        await self.faults.enter("kill", instance_id)
        if instance_id in self.instances:
            self.instances[instance_id].receive(signal)
        self.faults.leave("kill")

    async def remove(self, instance_id: str) -> None:
        """Remove it, running or not."""
        await self.faults.enter("remove", instance_id)
        instance = self.instances.pop(instance_id, None)
        if instance is not None:
            if instance.alive:
                instance.receive("SIGKILL")
            instance.discard()
        self.faults.leave("remove")

    async def wait(self, instance_id: str) -> ExitStatus:
        """Wait for its next end, or tell the last one at once."""
        await self.faults.enter("wait", instance_id)
        instance = self._get(instance_id)
        begun = instance.status if instance.state is State.RESTARTING else None
        while True:
            changed = instance.changed
            ended = instance.status is not None and instance.status is not begun
            if instance.state is not State.CREATED and ended and instance.status is not None:
                return instance.status
            if instance.state is State.MISSING:
                return ExitStatus(exit_code=137, lost="was removed")
            await changed.wait()

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
        """The script's answer: success once ready; without a script, the tiny shell's."""
        del user, privileged, working_dir
        await self.faults.enter("exec", instance_id)
        instance = self._get(instance_id)
        if instance.state is not State.RUNNING:
            raise EngineRefused(f"{instance.spec.name} is not running")
        if instance.script is not None and instance.script.exec is not None:
            answer = instance.script.exec(command)
            return await answer if inspect.isawaitable(answer) else answer
        if instance.script is not None:
            return ExecResult(exit_code=0, output=b"") if instance.ready else ExecResult(exit_code=1, output=b"not yet")
        shell = instance.new_shell()
        shell.environment = {**shell.environment, **(environment or {})}
        output = [text + "\n" async for _, text in shell.run(command)]
        return ExecResult(exit_code=shell.code, output="".join(output).encode())

    async def exec_attached(self, instance_id: str, command: Sequence[str], *, tty: bool) -> int:
        """As :meth:`exec`; nothing is attached."""
        del tty
        return (await self.exec(instance_id, command)).exit_code

    async def logs(
        self, instance_id: str, *, follow: bool = False, since: float | None = None, tail: int | None = None
    ) -> AsyncIterator[LogLine]:
        """Its output; following ends with the instance."""
        await self.faults.enter("logs", instance_id)
        instance = self._get(instance_id)
        chosen = [line for line in instance.lines if since is None or line.time >= since]
        position = len(instance.lines)
        for line in chosen if tail is None else chosen[max(len(chosen) - tail, 0) :]:
            yield line
        while follow:
            changed = instance.changed
            while position < len(instance.lines):
                position += 1
                yield instance.lines[position - 1]
            if not instance.alive:
                return
            await changed.wait()

    async def usage(self, instance_id: str) -> Usage | None:
        """Made-up figures for what runs."""
        await self.faults.enter("usage", instance_id)
        instance = self.instances.get(instance_id)
        if instance is None or instance.state is not State.RUNNING:
            return None
        return Usage(cpu_percent=1.0, memory_bytes=10_000_000, pids=1)

    async def port_owner(self, port: int, protocol: str) -> str:
        """As in :attr:`foreign_ports`."""
        del protocol
        return self.foreign_ports.get(port, "")

    async def name_owner(self, name: str) -> str:
        """As in :attr:`foreign_names`, else an instance of the name."""
        names = {(i.spec.service.container_name or i.spec.name): f"container {name}" for i in self.instances.values()}
        return self.foreign_names.get(name) or names.get(name, "")

    async def events(self, project: Project) -> AsyncIterator[EngineEvent]:
        """What happens from the first step of the iteration on."""
        queue: asyncio.Queue[EngineEvent] = asyncio.Queue()
        self._listeners.append(queue)
        try:
            await self.faults.enter("events", project.id)
            while True:
                event = await queue.get()
                owner = self.instances.get(event.instance_id)
                if owner is None or owner.spec.project.id == project.id:
                    yield event
        finally:
            self._listeners.remove(queue)

    async def history(self, project: Project, *, since: float) -> list[EngineEvent]:
        """All that happened since then."""
        await self.faults.enter("history", project.id)
        return [event for owner, event in self._happened if owner == project.id and event.time >= since]

    async def endpoint(self, instance_id: str, port: int) -> Endpoint | None:
        """As scripted, else the published port, else nothing."""
        await self.faults.enter("endpoint", instance_id)
        instance = self._get(instance_id)
        if instance.state is not State.RUNNING:
            return None
        if instance.script is not None and port in instance.script.endpoints:
            return instance.script.endpoints[port]
        return None

    async def close(self) -> None:
        """Stop playing; a test ends."""
        for instance in list(self.instances.values()):
            instance.discard()
        self.instances.clear()

    def _get(self, instance_id: str) -> FakeInstance:
        try:
            return self.instances[instance_id]
        except KeyError:
            raise EngineRefused(f"no such container: {instance_id}") from None

    @staticmethod
    def _start_error(script: Script) -> None:
        if script.start_error is None:
            return
        if script.start_failures is None:
            raise script.start_error
        if script.start_failures > 0:
            script.start_failures -= 1
            raise script.start_error

    def _publish(self, instance: FakeInstance) -> tuple[PublishedPort, ...]:
        taken = dict(self.foreign_ports)
        for other in self.instances.values():
            if other.alive:
                taken |= {port.host: other.spec.service.container_name or other.spec.name for port in other.ports}
        published = []
        for port in instance.spec.service.ports:
            host = port.host if port.host is not None else 49152 + next(self._ids)
            if host in taken:
                raise PortTaken(
                    f"port {host} for {instance.service} is in use by {taken[host]}",
                    details={"port": host, "owner": taken[host], "service": instance.service},
                )
            address = port.address or "127.0.0.1"
            published.append(
                PublishedPort(host=host, container=port.container, address=address, protocol=port.protocol)
            )
        return tuple(published)

    def _notify(self, instance: FakeInstance, action: str) -> None:
        event = EngineEvent(
            time=self.clock.now(),
            action=action,
            instance_id=instance.id,
            service=instance.service,
            index=instance.spec.index,
            exit_code=instance.status.exit_code if action == "die" and instance.status else None,
        )
        self._happened.append((instance.spec.project.id, event))
        for queue in self._listeners:
            queue.put_nowait(event)
