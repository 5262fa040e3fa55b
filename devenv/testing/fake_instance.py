"""One instance of the fake engine: its state, its output and the task that plays its command."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from devenv.clock import Clock
from devenv.contract.answers import ExitStatus, LogLine
from devenv.contract.specification import InstanceSpec
from devenv.model.identity import LABEL_CONFIG_HASH
from devenv.model.state import ObservedInstance, PublishedPort, State
from devenv.testing.script import Script, Shell, Stream

RESTART_DELAY = 0.1
"""Seconds before a restart, as the Docker engine's first back-off."""

ExitListener = Callable[["FakeInstance", str], None]


@dataclass(slots=True, eq=False)
class FakeInstance:
    """A created instance.

    Attributes:
        notify: called with the instance and an action (start, die, oom, destroy) as these happen.
        changed: set and replaced on each change, for those who wait.
    """

    id: str
    spec: InstanceSpec
    image_id: str
    clock: Clock
    script: Script | None
    notify: ExitListener
    state: State = State.CREATED
    status: ExitStatus | None = None
    restarts: int = 0
    started_at: float | None = None
    finished_at: float | None = None
    started_monotonic: float = 0.0
    ports: tuple[PublishedPort, ...] = ()
    lines: list[LogLine] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    shell: Shell | None = None
    _player: asyncio.Task[None] | None = None
    _stopping: bool = False

    @property
    def service(self) -> str:
        """Name of its service."""
        return self.spec.service.name

    @property
    def alive(self) -> bool:
        """Whether it runs, or is about to again."""
        return self.state in (State.RUNNING, State.RESTARTING)

    @property
    def ready(self) -> bool:
        """Whether its script lets probes succeed by now."""
        if self.state is not State.RUNNING:
            return False
        if self.script is None:
            return True
        after = self.script.ready_after
        return after is not None and self.clock.monotonic() - self.started_monotonic >= after

    def begin(self) -> None:
        """Run from now on."""
        self._stopping = False
        self.state = State.RUNNING
        self.status = None
        self.started_at = self.clock.now()
        self.started_monotonic = self.clock.monotonic()
        self._player = asyncio.create_task(self._play(), name=f"fake {self.spec.name}")
        self._tell("start")

    def write(self, text: str, stream: Stream = "stdout") -> None:
        """Add a line of output."""
        self.lines.append(LogLine(time=self.clock.now(), stream=stream, text=text))
        self._wake()

    def end(self, status: ExitStatus, *, stopped: bool = False) -> None:
        """End with ``status``; the restart policy applies unless it was ``stopped`` on purpose."""
        if not self.alive:
            return
        player, self._player = self._player, None
        if player is not None and player is not asyncio.current_task():
            player.cancel()
        self.status = status
        self.finished_at = self.clock.now()
        self.state = State.EXITED
        again = not stopped and self._restarts_after(status)
        if again:
            self.state = State.RESTARTING
            self._player = asyncio.create_task(self._restart(), name=f"fake restart {self.spec.name}")
        if status.oom_killed:
            self.notify(self, "oom")
        self._tell("die")

    def receive(self, signal: str) -> None:
        """Act on a signal as most programs would."""
        name = signal.removeprefix("SIG")
        ignores = self.script.ignores_term if self.script else bool(self.shell and self.shell.term_ignored)
        if name == "KILL":
            self.end(ExitStatus(exit_code=137), stopped=True)
        elif name in ("TERM", "INT", "QUIT") and not ignores:
            code = {"TERM": 143, "INT": 130, "QUIT": 131}[name]
            self.end(ExitStatus(exit_code=code), stopped=True)

    def discard(self) -> None:
        """Stop playing; the instance is removed."""
        if self._player is not None:
            self._player.cancel()
        self.state = State.MISSING
        self._tell("destroy")

    def observed(self) -> ObservedInstance:
        """As ``observe`` shows it."""
        ended = self.status if self.state is not State.RUNNING else None
        return ObservedInstance(
            id=self.id,
            name=self.spec.service.container_name or self.spec.name,
            service=self.service,
            index=self.spec.index,
            state=self.state,
            config_hash=self.spec.labels.get(LABEL_CONFIG_HASH, ""),
            image_id=self.image_id,
            exit_code=ended.exit_code if ended else None,
            oom_killed=ended.oom_killed if ended else False,
            error=ended.error if ended else "",
            restarts=self.restarts,
            started_at=self.started_at,
            finished_at=self.finished_at,
            ports=self.ports if self.state is State.RUNNING else (),
            labels=dict(self.spec.labels),
        )

    def command(self) -> Sequence[str]:
        """What it runs, entrypoint first."""
        service = self.spec.service
        return (*(service.entrypoint or ()), *(service.command or ("sleep", "infinity")))

    def new_shell(self) -> Shell:
        """A shell with the instance's environment and files."""
        files = {file.target: file.content for file in self.spec.files}
        return Shell(self.clock, self.spec.service.environment, files)

    async def _play(self) -> None:
        if self.script is not None:
            await self._play_script(self.script)
            return
        self.shell = self.new_shell()
        async for stream, text in self.shell.run(self.command()):
            self.write(text, stream)
        self.end(ExitStatus(exit_code=self.shell.code))

    async def _play_script(self, script: Script) -> None:
        for after, text in script.logs:
            await self._until(after)
            self.write(text)
        if script.exit_after is None:
            return
        await self._until(script.exit_after)
        self.end(ExitStatus(exit_code=script.exit_code, oom_killed=script.oom))

    async def _until(self, after: float) -> None:
        await self.clock.sleep(after - (self.clock.monotonic() - self.started_monotonic))

    async def _restart(self) -> None:
        await self.clock.sleep(RESTART_DELAY)
        self.restarts += 1
        self.begin()

    def _restarts_after(self, status: ExitStatus) -> bool:
        restart = self.spec.service.restart
        if restart.policy == "on-failure":
            within = not restart.maximum or self.restarts < restart.maximum
            return status.exit_code != 0 and within
        return restart.policy in ("always", "unless-stopped")

    def _tell(self, action: str) -> None:
        self.notify(self, action)
        self._wake()

    def _wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()
