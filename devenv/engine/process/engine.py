"""The engine ``process``: the protocol over the control socket of the project's daemon."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

from devenv.contract.answers import Endpoint, EngineInfo, ExitStatus, LogLine
from devenv.contract.capabilities import Capabilities
from devenv.disk import make_state_directory
from devenv.engine.process import commands, leftovers, log_reader
from devenv.engine.process.daemon_client import DaemonClient
from devenv.engine.process.daemon_messages import (
    CREATE,
    DESCRIBE,
    HISTORY,
    KILL,
    OBSERVE,
    REMOVE,
    RETIRE,
    START,
    STOP,
    USAGE,
    WAIT,
    Answer,
    DaemonOperation,
    EventsSince,
    InstanceReport,
    Nothing,
    OneInstance,
    Question,
    SignalRequest,
    StopRequest,
)
from devenv.engine.process.launching import is_backend, launch_of, refuse_what_cannot_be
from devenv.engine.process.observation import left_behind, observed
from devenv.errors import EngineLost, EngineRefused, NotStarted, NotUp
from devenv.model.identity import LABEL_PROJECT
from devenv.model.state import ObservedState, State
from devenv.otlp.backend_ports import QUERY_PORT
from devenv.traces.background import in_background

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from devenv.contract.answers import EngineEvent, ExecResult, ProgressSink
    from devenv.contract.specification import BuildSpec, InstanceSpec, NetworkSpec, VolumeSpec
    from devenv.engine.process.launch import Launch
    from devenv.model.identity import Project
    from devenv.model.stack import Service, Stack
    from devenv.model.state import Usage

LOOPBACK = "127.0.0.1"
END_TIMEOUT_S = 5.0
POLL_S = 0.05

INTERRUPTED_S = 0.1
"""Seconds that the end of an interrupted command may take; an interrupt is to be heard within 0.2 s."""


CAPABILITIES = Capabilities(
    images=False, networks=False, volumes=False, processes=True, shared_loopback=True, trace_backend="embedded"
)


class ProcessEngine:
    """Local processes of one project; images, networks and volumes have no meaning and are ignored.

    Args:
        project: of the daemon.
        environ: the user's environment, for commands of :meth:`exec`.
    """

    def __init__(self, project: Project, environ: Mapping[str, str] | None = None) -> None:
        self._directory = project.directory / ".devenv"
        self._daemon = DaemonClient(self._directory)
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
            reports = await self._daemon.ask(OBSERVE, Nothing())
        except (NotUp, EngineLost):
            instances = [left_behind(item) for item in leftovers.leftovers(self._directory)]
        else:
            instances = [observed(report) for report in reports.instances]
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

    async def image_age(self, reference: str) -> float | None:
        """No images here."""
        del reference
        return None

    async def registry_has(self, reference: str) -> bool:
        """No images here."""
        del reference
        return True

    async def image_config(self, reference: str) -> None:
        """No images here."""
        del reference

    async def pull(self, reference: str, *, platform: str | None, progress: ProgressSink) -> str:
        """No images here."""
        del reference, platform, progress
        return ""

    async def build(self, spec: BuildSpec, *, progress: ProgressSink) -> str:
        """No images here."""
        del spec, progress
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
        """Create an instance at the daemon, and start the daemon first if it does not run."""
        launch = launch_of(spec)
        try:
            await self._create(launch)
        except (NotUp, EngineLost):  # the daemon ended in between, as it had no instance
            await self._daemon.gone(END_TIMEOUT_S)
            await self._create(launch)
        return launch.id

    async def _create(self, launch: Launch) -> None:
        if not await self._daemon.answers():
            await self._clear_leftovers()
            await self._daemon.ensure()
        await self._daemon.ask(CREATE, launch)

    async def start(self, instance_id: str) -> None:
        """Start an instance; raises ``PortTaken`` or ``EngineRefused`` if that is not possible."""
        report = await self._ask_if_there(START, OneInstance(id=instance_id))
        if report is None:
            raise EngineRefused(f"no instance {instance_id}")
        if report.error:
            service = instance_id.rpartition("-")[0]
            raise NotStarted(service, report.error, hint="check x-devenv.process in the stack file")

    async def stop(self, instance_id: str, *, grace: float | None = None) -> None:
        """Stop with grace; a missing instance is not an error."""
        await self._ask_if_there(STOP, StopRequest(id=instance_id, grace=grace))

    async def kill(self, instance_id: str, *, signal: str = "SIGKILL") -> None:
        """Send a signal to the instance's process group."""
        await self._ask_if_there(KILL, SignalRequest(id=instance_id, signal=signal))

    async def remove(self, instance_id: str) -> None:
        """Remove an instance; with the last one the daemon ends, which is waited for."""
        if not await self._daemon.answers():
            for item in leftovers.leftovers(self._directory):
                if item.id == instance_id:
                    await leftovers.end(self._directory, item)
                    leftovers.forget(self._directory, instance_id)
            return
        await self._ask_if_there(REMOVE, OneInstance(id=instance_id))
        if not await self._supervises():
            await self._daemon.gone(END_TIMEOUT_S)

    async def wait(self, instance_id: str) -> ExitStatus:
        """Wait until an instance has ended for good."""
        try:
            return await self._daemon.ask(WAIT, OneInstance(id=instance_id))
        except (NotUp, EngineLost) as error:
            return ExitStatus(exit_code=137, lost=f"was lost: {error.message}")

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
        """Run a command in the directory and environment of an instance, and collect its output."""
        del user, privileged, working_dir  # `check` refuses them
        result = await commands.collected(await self._running(instance_id), command, environment or {})
        await self._running(instance_id)  # as in a container, the result of a command ends with its instance
        return result

    async def exec_attached(self, instance_id: str, command: Sequence[str], *, tty: bool) -> int:
        """Run a command beside an instance with this process's own streams: a terminal is simply inherited."""
        del tty
        return await commands.attached(await self._running(instance_id), command)

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
            if tail != 0 and await self._has_lost_its_log(instance_id, path):
                yield LogLine(time=time.time(), stream="stderr", text=log_reader.REMOVED)
            for line in await in_background(lambda: log_reader.read_lines(path, since, tail)):
                yield line
            return
        starts: list[float] = []
        async for line in log_reader.follow(path, since, tail, lambda: self._has_ended(instance_id, starts)):
            yield line

    async def usage(self, instance_id: str) -> Usage | None:
        """CPU and memory of an instance with its descendants; ``None`` if it does not run."""
        report = await self._ask_if_there(USAGE, OneInstance(id=instance_id))
        return report.usage if report else None

    async def port_owner(self, port: int, protocol: str) -> str:
        """Empty: the process that listens is found without the engine."""
        del port, protocol
        return ""

    async def name_owner(self, name: str) -> str:
        """Empty: the name of a process is its project's own."""
        del name
        return ""

    async def events(self, project: Project) -> AsyncIterator[EngineEvent]:
        """What happens to the project's instances from now on, whether the daemon runs yet or not."""
        since = time.time()
        while True:
            try:
                async for happened in self._daemon.events(since):
                    since = happened.event.time + 1e-6
                    if happened.project == project.id:
                        yield happened.event
            except (NotUp, EngineLost):
                pass  # it may start, or start again
            await asyncio.sleep(POLL_S)

    async def history(self, project: Project, *, since: float) -> list[EngineEvent]:
        """What the daemon still knows; nothing if it does not run."""
        found = await self._ask_if_there(HISTORY, EventsSince(since=since))
        return [happened.event for happened in found.events if happened.project == project.id] if found else []

    async def endpoint(self, instance_id: str, port: int) -> Endpoint | None:
        """Where a port of an instance is on this machine; ``None`` for one that the stack file does not name."""
        report = await self._ask_if_there(DESCRIBE, OneInstance(id=instance_id))
        ports = {known.container: known.host for known in report.ports} if report else {}
        if report is None or port not in ports:
            return None
        if port != QUERY_PORT:
            return Endpoint(host=LOOPBACK, port=ports[port])
        return Endpoint(
            host=LOOPBACK,
            port=ports[port],
            token=report.token,
            storage=report.storage,
            storage_notices=report.storage_notices,
        )

    async def close(self) -> None:
        """Nothing is held open between requests; a daemon without instances is ended.

        One that is busy is not waited for after Ctrl-C: without instances it ends by itself a little later.
        """
        task = asyncio.current_task()
        interrupted = task is not None and task.cancelling()
        try:
            async with asyncio.timeout(INTERRUPTED_S if interrupted else END_TIMEOUT_S):
                if not (await self._daemon.ask(OBSERVE, Nothing())).instances:
                    await self._daemon.ask(RETIRE, Nothing())
                    await self._daemon.gone(END_TIMEOUT_S)
        except (NotUp, EngineLost, TimeoutError):
            return  # there is none, or it ends by itself

    async def _supervises(self) -> bool:
        """Whether the daemon runs and has any instance."""
        try:
            return bool((await self._daemon.ask(OBSERVE, Nothing())).instances)
        except (NotUp, EngineLost):
            return False

    async def _ask_if_there(self, operation: DaemonOperation[Question, Answer], question: Question) -> Answer | None:
        """The daemon's answer; ``None`` if no daemon runs, it ends meanwhile, or it does not have the instance."""
        try:
            return await self._daemon.ask(operation, question)
        except (NotUp, EngineLost):
            return None

    async def _has_lost_its_log(self, instance_id: str, path: Path) -> bool:
        """Whether an instance has written nothing since its log was removed: each has one from its creation."""
        if await asyncio.to_thread(path.exists):
            return False
        report = await self._ask_if_there(DESCRIBE, OneInstance(id=instance_id))
        return report is not None and report.kind != "backend" and not await asyncio.to_thread(path.exists)

    async def _has_ended(self, instance_id: str, starts: list[float]) -> bool:
        """Whether an instance has ended since it was first asked about, also if it was started again since.

        ``starts`` gets the time of the start that is followed; a restart may be quicker than two questions.
        """
        report = await self._ask_if_there(DESCRIBE, OneInstance(id=instance_id))
        if report is None or report.state is State.EXITED:
            return True
        if report.started_at is not None and not starts:
            starts.append(report.started_at)
        return bool(starts) and report.started_at != starts[0]

    async def _running(self, instance_id: str) -> InstanceReport:
        """The report of an instance in which commands can run."""
        report = await self._ask_if_there(DESCRIBE, OneInstance(id=instance_id))
        if report is None or report.state is not State.RUNNING:
            raise EngineRefused(f"{instance_id} is not running")
        if report.kind == "backend":
            raise EngineRefused(f"{instance_id} is the embedded trace backend: commands cannot run in it")
        return report

    async def _clear_leftovers(self) -> None:
        """End what a killed daemon left, before a new one starts."""
        make_state_directory(self._directory)
        found = leftovers.leftovers(self._directory)
        await asyncio.gather(*(leftovers.end(self._directory, item) for item in found))
        leftovers.forget(self._directory)
