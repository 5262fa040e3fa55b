"""The engine ``process``: the protocol over the control socket of the project's daemon."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from typing import TYPE_CHECKING, Any

from devenv.contract.answers import Endpoint, EngineEvent, EngineInfo, ExecResult, ExitStatus
from devenv.contract.capabilities import Capabilities
from devenv.engine.process import leftovers, logs
from devenv.engine.process.control import Control
from devenv.engine.process.launching import is_backend, launch_of, refuse_what_cannot_be
from devenv.errors import EngineLost, EngineRefused, NotUp
from devenv.model.identity import LABEL_CONFIG_HASH, LABEL_PROJECT
from devenv.model.state import ObservedInstance, ObservedState, PublishedPort, State, Usage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from devenv.contract.answers import LogLine, ProgressSink
    from devenv.contract.specification import InstanceSpec, NetworkSpec, VolumeSpec
    from devenv.model.identity import Project
    from devenv.model.launch import Launch
    from devenv.model.stack import Build, Service, Stack

LOOPBACK = "127.0.0.1"
END_TIMEOUT_S = 5.0
POLL_S = 0.05


CAPABILITIES = Capabilities(
    images=False, networks=False, volumes=False, processes=True, shared_loopback=True, trace_backend="embedded"
)


class ProcessEngine:
    """Local processes of one project; images, networks and volumes have no meaning and are passed over.

    Args:
        project: whose daemon is spoken to.
        environ: the user's environment, for commands of :meth:`exec`.
    """

    def __init__(self, project: Project, environ: Mapping[str, str] | None = None) -> None:
        self._directory = project.directory / ".devenv"
        self._control = Control(self._directory)
        self._environ = dict(os.environ if environ is None else environ)

    @property
    def name(self) -> str:
        """``process``."""
        return "process"

    @property
    def capabilities(self) -> Capabilities:
        """Processes on this machine's loopback; the daemon runs the trace backend itself."""
        return CAPABILITIES

    async def info(self) -> EngineInfo:
        """Always there: it needs nothing but Python."""
        from devenv import __version__

        return EngineInfo(name="process", version=__version__, address=str(self._directory))

    def check(self, service: Service, stack: Stack) -> None:
        """Refuse services without ``x-devenv.process``, and keys that a local process cannot be given."""
        if not is_backend(service, stack):
            refuse_what_cannot_be(service)

    async def observe(self, project: Project | None) -> ObservedState:
        """Instances of this project's daemon, or what a killed one left behind (as dead)."""
        try:
            rows = await self._control.ask("observe")
        except (NotUp, EngineLost):
            instances = [_dead(item) for item in leftovers.leftovers(self._directory)]
        else:
            instances = [_observed(row) for row in rows]
        return ObservedState(
            instances=tuple(
                instance
                for instance in instances
                if project is None or instance.labels.get(LABEL_PROJECT) == project.id
            )
        )

    async def image_id(self, reference: str) -> str | None:
        """No images here."""
        del reference
        return ""

    async def registry_has(self, reference: str) -> bool:
        """No images here."""
        del reference
        return True

    async def image_healthcheck(self, reference: str) -> tuple[str, ...]:
        """No images here."""
        del reference
        return ()

    async def pull(self, reference: str, *, platform: str | None, progress: ProgressSink) -> str:
        """No images here."""
        del reference, platform, progress
        return ""

    async def build(self, build: Build, *, tag: str, labels: Mapping[str, str], progress: ProgressSink) -> str:
        """No images here."""
        del build, tag, labels, progress
        return ""

    async def create_network(self, spec: NetworkSpec) -> str:
        """No networks here: every service is reached on this machine."""
        return spec.name

    async def create_volume(self, spec: VolumeSpec) -> str:
        """No volumes here."""
        return spec.name

    async def remove_network(self, network_id: str) -> None:
        """No networks here."""

    async def remove_volume(self, name: str) -> None:
        """No volumes here."""

    async def create(self, spec: InstanceSpec) -> str:
        """Tell the daemon of an instance, starting it first where it does not run."""
        launch = launch_of(spec)
        try:
            await self._create(launch)
        except (NotUp, EngineLost):  # the daemon ended in between, for want of anything to do
            await self._control.gone(END_TIMEOUT_S)
            await self._create(launch)
        return launch.id

    async def _create(self, launch: Launch) -> None:
        if not await self._control.answers():
            await self._clear_leftovers()
            await self._control.ensure()
        await self._control.ask("create", launch=launch.to_json())

    async def start(self, instance_id: str) -> None:
        """Start an instance; raises ``PortTaken`` or ``EngineRefused`` where that is not possible."""
        answer = await self._ask_if_there("start", id=instance_id)
        if answer is None:
            raise EngineRefused(f"no instance {instance_id}")
        if answer["error"]:
            raise EngineRefused(f"{instance_id}: {answer['error']}", hint="see x-devenv.process in the stack file")

    async def stop(self, instance_id: str, *, grace: float | None = None) -> None:
        """Stop with grace; no error where it is gone."""
        await self._ask_if_there("stop", id=instance_id, grace=grace)

    async def kill(self, instance_id: str, *, signal: str = "SIGKILL") -> None:
        """Send a signal to the instance's process group."""
        await self._ask_if_there("kill", id=instance_id, signal=signal)

    async def remove(self, instance_id: str) -> None:
        """Remove an instance; with the last one the daemon ends, which is waited for."""
        if not await self._control.answers():
            for item in leftovers.leftovers(self._directory):
                if item.id == instance_id:
                    await leftovers.end(item)
                    leftovers.forget(self._directory, instance_id)
            return
        await self._ask_if_there("remove", id=instance_id)
        try:
            left = await self._control.ask("observe")
        except (NotUp, EngineLost):
            left = []
        if not left:
            await self._control.gone(END_TIMEOUT_S)

    async def wait(self, instance_id: str) -> ExitStatus:
        """Wait until an instance has ended for good."""
        try:
            answer = await self._control.ask("wait", id=instance_id)
        except (NotUp, EngineLost) as error:
            return ExitStatus(exit_code=137, error=error.message)
        return ExitStatus(exit_code=answer["exit_code"] or 0, error=answer["error"])

    async def exec(
        self, instance_id: str, command: Sequence[str], *, environment: Mapping[str, str] | None = None
    ) -> ExecResult:
        """Run a command in the directory and environment of an instance, and collect its output."""
        cwd, found = await self._place(instance_id)
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                cwd=cwd,
                env={**found, **(environment or {})},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
        except OSError as error:
            return ExecResult(exit_code=127, output=str(error).encode())
        try:
            output, _ = await process.communicate()
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
        return ExecResult(exit_code=_code(process.returncode), output=output)

    async def exec_attached(self, instance_id: str, command: Sequence[str], *, tty: bool) -> int:
        """Run a command beside an instance with this process's own streams: a terminal is simply inherited."""
        del tty
        cwd, found = await self._place(instance_id)
        if shutil.which(command[0], path=found.get("PATH")) is None:
            raise EngineRefused(f"{command[0]}: command not found", hint="it is looked for on the service's PATH")
        process = await asyncio.create_subprocess_exec(*command, cwd=cwd, env=found)
        return _code(await process.wait())

    async def logs(
        self,
        instance_id: str,
        *,
        follow: bool = False,
        since: float | None = None,
        tail: int | None = None,
    ) -> AsyncIterator[LogLine]:
        """Output of an instance from its log files."""
        path = self._directory / "logs" / f"{instance_id}.log"
        if not follow:
            for line in logs.read_lines(path, since, tail):
                yield line
            return
        async for line in logs.follow(path, since, tail, lambda: self._has_ended(instance_id)):
            yield line

    async def usage(self, instance_id: str) -> Usage | None:
        """CPU and memory of an instance with its descendants; ``None`` where it does not run."""
        answer = await self._ask_if_there("usage", id=instance_id)
        if answer is None:
            return None
        cpu, memory, count = answer
        return Usage(cpu_percent=cpu, memory_bytes=memory, pids=count)

    async def events(self, project: Project) -> AsyncIterator[EngineEvent]:
        """What happens to the project's instances from now on, whether the daemon runs yet or not."""
        since = time.time()
        while True:
            try:
                async for row in self._control.stream("events", since=since):
                    since = row["time"] + 1e-6
                    if row["project"] == project.id:
                        yield _event(row)
            except NotUp:
                pass
            await asyncio.sleep(POLL_S)

    async def endpoint(self, instance_id: str, port: int) -> Endpoint | None:
        """Where a port of an instance is on this machine; ``None`` for one that the stack file does not name."""
        row = await self._ask_if_there("describe", id=instance_id)
        number = row["all_ports"].get(str(port)) if row else None
        return Endpoint(host=LOOPBACK, port=number) if number else None

    async def close(self) -> None:
        """Nothing is held open between requests; a daemon that has nothing to supervise is let go."""
        try:
            if not await self._control.ask("observe"):
                await self._control.ask("retire")
                await self._control.gone(END_TIMEOUT_S)
        except (NotUp, EngineLost):
            return  # there is none

    async def _ask_if_there(self, operation: str, **fields: Any) -> Any:
        try:
            return await self._control.ask(operation, **fields)
        except NotUp:
            return None

    async def _has_ended(self, instance_id: str) -> bool:
        row = await self._ask_if_there("describe", id=instance_id)
        return row is None or row["state"] == "exited"

    async def _place(self, instance_id: str) -> tuple[str, dict[str, str]]:
        row = await self._ask_if_there("describe", id=instance_id)
        if row is None or row["state"] != "running":
            raise EngineRefused(f"{instance_id} does not run")
        if row["kind"] == "backend":
            raise EngineRefused(f"{instance_id} is devenv's own trace backend: nothing runs in it")
        return row["cwd"], dict(row["environment"])

    async def _clear_leftovers(self) -> None:
        """End what a killed daemon left, before a new one takes its place."""
        self._directory.mkdir(mode=0o700, exist_ok=True)
        found = leftovers.leftovers(self._directory)
        await asyncio.gather(*(leftovers.end(item) for item in found))
        leftovers.forget(self._directory)


def _observed(row: Mapping[str, Any]) -> ObservedInstance:
    return ObservedInstance(
        id=row["id"],
        name=row["name"],
        service=row["service"],
        index=row["index"],
        state=State(row["state"]),
        config_hash=row["labels"].get(LABEL_CONFIG_HASH, ""),
        exit_code=row["exit_code"],
        error=row["error"],
        restarts=row["restarts"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        ports=tuple(PublishedPort(host=host, container=container) for host, container in row["ports"]),
        labels=row["labels"],
    )


def _event(row: Mapping[str, Any]) -> EngineEvent:
    return EngineEvent(
        time=row["time"],
        action=row["action"],
        instance_id=row["id"],
        service=row["service"],
        index=row["index"],
        exit_code=row["exit_code"],
    )


def _dead(item: leftovers.Leftover) -> ObservedInstance:
    """An instance without a daemon: whether it runs or not, it has to be replaced."""
    return ObservedInstance(
        id=item.id,
        name=item.name,
        service=item.service,
        index=item.index,
        state=State.DEAD,
        config_hash=item.labels.get(LABEL_CONFIG_HASH, ""),
        error="the daemon that ran it was killed",
        labels=item.labels,
    )


def _code(returncode: int | None) -> int:
    """Exit code as a shell gives it: 128 and the signal's number where a signal ended it."""
    code = returncode or 0
    return code if code >= 0 else 128 - code
