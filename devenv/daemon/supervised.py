"""One supervised process: started, captured, restarted by its policy, stopped with grace."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.contract.inheritance import inherited
from devenv.daemon.guardian import send
from devenv.daemon.output import Pipe, ServiceOutput
from devenv.daemon.resources import Sampler
from devenv.engine.process.membership import MARK, descendants, end_all, processes
from devenv.engine.process.process_identity import start_time
from devenv.model.state import State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from devenv.daemon.logfile import LogFile
    from devenv.engine.process.launch import Launch
    from devenv.engine.process.membership import Mark, Member

BACKOFF_FIRST_S = 0.1
BACKOFF_LAST_S = 60.0
STEADY_S = 10.0
"""As on Docker: the wait before a restart doubles, and a run of this length sets it back."""

DRAIN_S = 0.5

KILL_S = 3.0
"""Seconds that an instance gets to end after SIGKILL, its descendants included.

A process in an uninterruptible wait, or of another user, does not.
"""


@dataclass(slots=True, kw_only=True)
class Supervised:
    """State of one instance.

    Attributes:
        environment: with addresses rewritten.
        mark: by which the processes of the instance are found, whatever session or group they are in.
        left: processes of the instance that could not be ended.
        ended: set while it is exited for good, for those that wait.
        notify: called with ``start``, ``die`` and so on after each change.
    """

    launch: Launch
    environment: Mapping[str, str]
    mark: Mark
    log: LogFile
    notify: Callable[[Supervised, str], None]
    state: State = State.CREATED
    exit_code: int | None = None
    error: str = ""
    restarts: int = 0
    started_at: float | None = None
    finished_at: float | None = None
    pid: int = 0
    born: int = 0
    sampler: Sampler | None = None
    is_spawning: bool = False
    left: tuple[Member, ...] = ()
    _family: tuple[Member, ...] = ()
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    _ended_with: int | None = None
    _runner: asyncio.Task[None] | None = None
    _pipes: tuple[Pipe, ...] = ()
    _output: ServiceOutput = field(init=False)
    _stopping: bool = False
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.environment = {**self.environment, MARK: str(self.mark)}
        self._output = ServiceOutput(self.log, self._lost)

    async def start(self) -> None:
        """Start the process; returns when it runs or could not start (``error`` is the reason)."""
        if self.state in {State.RUNNING, State.RESTARTING}:
            return
        self._stopping = False
        self.ended.clear()
        self._wake.clear()
        self.error = ""
        process = await self._spawn()
        if process is not None:
            self._runner = asyncio.create_task(self._supervise(process))

    async def stop(self, grace: float | None) -> None:
        """Send the stop signal, then SIGKILL to the whole group after ``grace`` seconds; waits for the end.

        What does not end even then is in :attr:`left` afterwards.
        """
        self._stopping = True
        self._wake.set()
        if self.state is State.RUNNING:
            # Seen now, as the children of a process that has ended no longer name it.
            self._family = descendants(await asyncio.to_thread(processes), self.pid)
        if self.state is State.RUNNING:
            send(self.pid, getattr(signal, self.launch.stop_signal, signal.SIGTERM))
            try:
                await asyncio.wait_for(self.ended.wait(), self.launch.grace if grace is None else grace)
            except TimeoutError:
                send(self.pid, signal.SIGKILL)
        if self._runner is not None and not (await asyncio.wait([self._runner], timeout=KILL_S))[0]:
            await self.end_members()
        elif self._runner is not None:
            await self._runner

    def kill(self, name: str) -> None:
        """Send a signal by name to the process group; an ended process is not an error."""
        if self.state is State.RUNNING:
            send(self.pid, getattr(signal, name if name.startswith("SIG") else f"SIG{name}"))

    async def _spawn(self) -> asyncio.subprocess.Process | None:
        launch = self.launch
        ends = [os.pipe() for _ in range(2)]
        self.is_spawning = True
        try:
            process = await asyncio.create_subprocess_exec(
                *launch.command,
                cwd=launch.cwd,
                env=dict(self.environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=ends[0][1],
                stderr=ends[1][1],
                start_new_session=True,
                preexec_fn=_limiter(launch.limits),
            )
        except (OSError, ValueError) as error:
            self.error = start_error(launch, self.environment, error)
            for reading, _ in ends:
                os.close(reading)
            self._finish(127 if isinstance(error, FileNotFoundError) else 126)
            return None
        finally:
            self.is_spawning = False
            for _, writing in ends:
                os.close(writing)
        self._pipes = tuple(Pipe(ends[n][0], partial(self._output.add, n + 1)) for n in range(2))
        self.pid, self.born = process.pid, start_time(process.pid)
        self.sampler = Sampler(process.pid)
        self.started_at, self.finished_at, self.exit_code = time.time(), None, None
        self.state, self._ended_with = State.RUNNING, None
        self.notify(self, "start")
        return process

    async def _supervise(self, process: asyncio.subprocess.Process | None) -> None:
        """Follow the process and its successors until it has ended for good."""
        wait = BACKOFF_FIRST_S
        while process is not None:
            code = await self._follow(process)
            ran = time.time() - (self.started_at or 0)
            if self._stopping or not self._restarts_after(code):
                self._finish(code)
                return
            wait = BACKOFF_FIRST_S if ran >= STEADY_S else wait
            self.state, self.exit_code, self.finished_at = State.RESTARTING, code, time.time()
            self.notify(self, "die")
            if await self._woken_within(wait):
                self._finish(code)
                return
            wait = min(wait * 2, BACKOFF_LAST_S)
            self.restarts += 1
            process = await self._spawn()

    async def _woken_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._wake.wait(), seconds)
        except TimeoutError:
            return False
        return True

    async def _follow(self, process: asyncio.subprocess.Process) -> int:
        """Capture output until the process has ended; what its descendants still write is waited for a moment."""
        code = await process.wait()
        code = code if code >= 0 else 128 - code
        self._ended_with = code
        send(process.pid, signal.SIGKILL)  # the leader has ended, so the rest of its group has no parent to end it
        await self.end_members()
        await asyncio.wait([asyncio.create_task(pipe.ended.wait()) for pipe in self._pipes], timeout=DRAIN_S)
        for pipe in self._pipes:
            pipe.drain()
        self._output.finish()
        return code

    @property
    def observed(self) -> tuple[State, int | None]:
        """The state and exit code to show: what is left of an ended process may take a moment to end."""
        if self.state is not State.RUNNING or self._ended_with is None:
            return self.state, self.exit_code
        restarts = not self._stopping and self._restarts_after(self._ended_with)
        return State.RESTARTING if restarts else State.EXITED, self._ended_with

    async def end_members(self) -> tuple[Member, ...]:
        """End all that belongs to the instance and return what could not be ended: its main process has ended."""
        self.left = await end_all(self._members)
        return self.left

    def _members(self) -> tuple[Member, ...]:
        family = {(self.pid, self.born), *((member.pid, member.born) for member in self._family)}
        return tuple(
            member for member in processes() if member.mark == self.mark or (member.pid, member.born) in family
        )

    def _lost(self, error: OSError) -> None:
        """The service keeps running without its output, as on a full disk; daemon.log has the reason."""
        report = {"message": f"output of {self.launch.id} was lost", "exception": error}
        asyncio.get_running_loop().call_exception_handler(report)

    def _restarts_after(self, code: int) -> bool:
        launch = self.launch
        if launch.restart == "on-failure":
            return code != 0 and (launch.maximum is None or self.restarts < launch.maximum)
        return launch.restart in {"always", "unless-stopped"}

    def _finish(self, code: int) -> None:
        self.state, self.exit_code, self.finished_at = State.EXITED, code, time.time()
        self.ended.set()
        self.notify(self, "die")


def start_error(launch: Launch, environment: Mapping[str, str], error: OSError | ValueError) -> str:
    """Why a process cannot start: its directory, its program, or the system's reason, with the place in the file."""
    program = launch.command[0] if launch.command else ""
    key, reason = "command", f"{program}: {getattr(error, 'strerror', None) or error}"
    if not Path(launch.cwd).is_dir():
        exists = os.path.lexists(launch.cwd)
        key = "cwd"
        reason = f"the working directory {launch.cwd} {'is not a directory' if exists else 'does not exist'}"
    elif not os.access(launch.cwd, os.X_OK):
        key, reason = "cwd", f"the working directory {launch.cwd} cannot be entered"
    elif isinstance(error, FileNotFoundError) and os.sep not in program and not _is_on_path(program, environment):
        reason = f"program {program!r} is not on the PATH of the service"
    place = launch.places.get(key)
    return f"{place}: {reason}" if place else reason


def _is_on_path(program: str, environment: Mapping[str, str]) -> bool:
    return shutil.which(program, path=environment.get("PATH", os.defpath)) is not None


def _limiter(limits: Mapping[str, tuple[int, int]]) -> Callable[[], None] | None:
    """Return the function that sets ulimits between fork and exec; ``None`` without limits, as it slows starts down."""
    if not limits:
        return None
    import resource

    wanted = [(getattr(resource, f"RLIMIT_{name.upper()}"), pair) for name, pair in limits.items()]

    def set_limits() -> None:
        for number, pair in wanted:
            resource.setrlimit(number, pair)

    return set_limits


def environment_of(base: Mapping[str, str], launch: Launch, port: int | None) -> dict[str, str]:
    """The daemon's own environment without what belongs to devenv or to tracing, then the service's."""
    found = {**inherited(base), "PYTHONUNBUFFERED": "1", **launch.environment}
    if port is not None and launch.port_env:
        found[launch.port_env] = str(port)
    found.setdefault("PATH", os.defpath)
    return found
