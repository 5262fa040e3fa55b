"""All instances of one project: created, started, stopped and removed by requests of the control socket."""

from __future__ import annotations

import asyncio
import os
import time
import zlib
from collections import deque
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from devenv.contract.answers import EngineEvent
from devenv.daemon import logfile
from devenv.daemon.addresses import Ports, Rewriting
from devenv.daemon.embedded import EmbeddedBackend
from devenv.daemon.supervised import Supervised, environment_of
from devenv.disk import make_state_directory
from devenv.engine.host_ports import is_free, port_holder
from devenv.engine.process import daemon_file
from devenv.engine.process.daemon_file import DaemonFile, RecordedInstance
from devenv.engine.process.daemon_messages import HostPort, InstanceReport, ProjectEvent
from devenv.engine.process.membership import (
    Mark,
    Member,
    cannot_end,
    descendants,
    end_all,
    processes,
    project_directory,
)
from devenv.engine.process.process_identity import start_time
from devenv.errors import EngineRefused, EnvironmentFailure, NotUp, PortTaken
from devenv.model.identity import LABEL_PROJECT
from devenv.model.state import State
from devenv.otlp.backend_ports import OTLP_GRPC_PORT, OTLP_HTTP_PORT, QUERY_PORT
from devenv.own_child import is_starting, own_children

if TYPE_CHECKING:
    from pathlib import Path

    from devenv.engine.process.launch import Launch

EVENTS_KEPT = 500
"""Past events that a listener can still ask for: one that waits for the daemon to start misses none."""

SHOWN = {QUERY_PORT, OTLP_HTTP_PORT, OTLP_GRPC_PORT}
"""The backend's ports are shown whether the stack file publishes them or not: everything here is on this machine."""

ALIVE = frozenset({State.RUNNING, State.RESTARTING})

REAP_S = 0.5
_PEEK = os.WEXITED | os.WNOHANG | os.WNOWAIT

Item = Supervised | EmbeddedBackend


class Supervisor:
    """Instances by id; every change is written to ``daemon.json``, so that what a killed daemon leaves can be found.

    Args:
        directory: the project's ``.devenv/``.
        guardian: writing end of the guardian's pipe.
    """

    def __init__(self, directory: Path, guardian: int) -> None:
        self._directory = directory
        self._guardian = guardian
        self._born = start_time(os.getpid())
        self._others = frozenset(member.pid for member in descendants(processes(), os.getpid()))
        self._items: dict[str, Item] = {}
        self._ports = Ports(zlib.crc32(os.fsencode(directory)))
        self._listeners: set[asyncio.Queue[ProjectEvent]] = set()
        self._happened: deque[ProjectEvent] = deque(maxlen=EVENTS_KEPT)
        self._known_groups: set[int] = set()
        self.empty = asyncio.Event()

    def get(self, instance_id: str) -> Item:
        """Return an instance by ID; raises :class:`~devenv.errors.NotUp` if it does not exist."""
        try:
            return self._items[instance_id]
        except KeyError:
            raise NotUp(f"no instance {instance_id}") from None

    def create(self, launch: Launch) -> None:
        """Add an instance without starting it; an earlier one with its ID must be removed first."""
        if launch.id in self._items:
            raise EngineRefused(f"instance {launch.name} already exists")
        self.empty.clear()
        own = [self._ports.host_port(launch.service, launch.index, port) for port in launch.ports]
        if launch.kind == "backend":
            ports = {port.container: number for port, number in zip(launch.ports, own, strict=True)}
            self._items[launch.id] = EmbeddedBackend(launch, ports, self._changed, self._directory)
        else:
            environment = environment_of(os.environ, launch, own[0] if own else None)
            rewriting = Rewriting(launch.peers, self._ports)
            self._items[launch.id] = Supervised(
                launch=replace(launch, command=rewriting.command(launch.command)),
                environment=rewriting.environment(environment),
                mark=self._mark(launch),
                log=logfile.LogFile(self.log_path(launch.id)),
                notify=self._changed,
            )
        self._save()

    async def start(self, instance_id: str) -> Item:
        """Start an instance and return it.

        Raises:
            PortTaken: If a port that it publishes is in use; the message names the program.
        """
        item = self.get(instance_id)
        if isinstance(item, Supervised) and item.state not in ALIVE:
            self._check_ports(item)
        await item.start()
        return item

    def _check_ports(self, item: Supervised) -> None:
        launch = item.launch
        for port in launch.ports:
            if port.host is None:
                continue
            owner = self._publisher(launch.id, port.host)
            if owner is None and not is_free(port.address, port.host):
                owner = str(port_holder(port.host) or "another program")
            if owner is not None:
                raise PortTaken(
                    f"port {port.host} of {launch.service} is in use by {owner}",
                    hint="stop the program that uses it, change ports: in the stack file, "
                    "or run `devenv up --isolated`",
                    details={"port": port.host, "owner": owner, "service": launch.service},
                )

    def _publisher(self, besides: str, port: int) -> str | None:
        """Name of the running instance that publishes ``port``, other than ``besides``."""
        for other in self._items.values():
            runs = other.state in ALIVE and other.launch.id != besides
            if runs and any(own.host == port for own in other.launch.ports):
                return other.launch.name
        return None

    async def stop(self, instance_id: str, grace: float | None) -> None:
        """Stop an instance, with ``grace`` seconds until SIGKILL; ``None``: as it was created with.

        Raises:
            EngineRefused: If its process does not end even then.
        """
        item = self.get(instance_id)
        await item.stop(grace)
        if isinstance(item, Supervised) and item.state is State.RUNNING:
            raise cannot_end(item.launch.name, item.left)

    async def remove(self, instance_id: str) -> None:
        """Stop an instance immediately if it runs, and remove it with its log.

        Raises:
            EngineRefused: If a process of it cannot be ended, such as one of another user; it stays then.
        """
        await self.stop(instance_id, 0.0)
        item = self.get(instance_id)
        if isinstance(item, Supervised):
            left = await item.end_members() if item.pid else ()
            left = left or await self._end_adopted()
            if left:
                raise cannot_end(item.launch.name, left)
            item.log.close()
            logfile.remove(self.log_path(instance_id))
        self._items.pop(instance_id, None)
        self._changed(item, "destroy")
        if not self._items:
            self.empty.set()

    async def stop_all(self) -> bool:
        """Stop everything, for the daemon's own end; ``False`` if something did not end: `daemon.json` lists it."""
        await asyncio.gather(*(item.stop(None) for item in self._items.values()))
        await self._end_adopted()
        os.write(self._guardian, b"end\n")
        return not any(item.state is State.RUNNING for item in self._items.values())

    async def reap(self) -> None:
        """Collect processes that the daemon adopted and that have ended, until cancelled.

        The event loop collects its own children, so these are left to it.
        """
        while True:
            await asyncio.sleep(REAP_S)
            with suppress(ChildProcessError):  # it has no child
                self._reap()

    def _reap(self) -> None:
        while not self._is_spawning() and (ended := os.waitid(os.P_ALL, 0, _PEEK)):
            if ended.si_pid in self._leaders():
                return
            os.waitpid(ended.si_pid, os.WNOHANG)

    async def _end_adopted(self) -> tuple[Member, ...]:
        """End what the daemon adopted, if no instance is left to which it could belong; returns what stays."""
        if any(isinstance(item, Supervised) and item.state in ALIVE for item in self._items.values()):
            return ()
        return await end_all(self._adopted)

    def _adopted(self) -> tuple[Member, ...]:
        """Processes of instances that have left session, group and environment: descendants of the daemon."""
        if self._is_spawning():
            return ()
        others = self._others | own_children()
        return tuple(member for member in descendants(processes(), os.getpid()) if member.pid not in others)

    def _is_spawning(self) -> bool:
        return is_starting() or any(isinstance(item, Supervised) and item.is_spawning for item in self._items.values())

    def _leaders(self) -> set[int]:
        own = {item.pid for item in self._items.values() if isinstance(item, Supervised)}
        return own | self._others | own_children()

    def _mark(self, launch: Launch) -> Mark:
        return Mark(
            project=launch.labels.get(LABEL_PROJECT, "devenv"),
            service=launch.service,
            index=launch.index,
            daemon=os.getpid(),
            daemon_born=self._born,
            directory=project_directory(self._directory),
        )

    def retire(self) -> None:
        """Let the daemon end if it has nothing to supervise: an `up` that was killed early leaves it so."""
        if not self._items:
            self.empty.set()

    def log_path(self, instance_id: str) -> Path:
        """The log file of an instance."""
        return self._directory / "logs" / f"{instance_id}.log"

    def observe(self) -> tuple[InstanceReport, ...]:
        """Return every instance."""
        return tuple(self.describe(item) for item in self._items.values())

    def describe(self, item: Item) -> InstanceReport:
        """Return one instance as the engine asks for it."""
        launch = item.launch
        state, exit_code = item.observed if isinstance(item, Supervised) else (item.state, item.exit_code)
        return InstanceReport(
            id=launch.id,
            name=launch.name,
            service=launch.service,
            index=launch.index,
            labels=launch.labels,
            kind=launch.kind,
            state=state,
            exit_code=exit_code,
            error=item.error,
            restarts=item.restarts,
            started_at=item.started_at,
            finished_at=item.finished_at,
            ports=tuple(
                HostPort(
                    host=self._ports.host_port(launch.service, launch.index, port),
                    container=port.container,
                    shown=port.published
                    or port.host is not None
                    or (launch.kind == "backend" and port.container in SHOWN),
                )
                for port in sorted(launch.ports, key=lambda port: port.container)
            ),
            cwd=launch.cwd,
            environment=item.environment if isinstance(item, Supervised) else {},
            token=item.token if isinstance(item, EmbeddedBackend) else "",
            storage=str(item.storage or "") if isinstance(item, EmbeddedBackend) else "",
            storage_notices=item.storage_notices if isinstance(item, EmbeddedBackend) else (),
        )

    def happened(self, since: float) -> list[ProjectEvent]:
        """The events from ``since`` (seconds since the epoch) on that are still kept."""
        return [event for event in self._happened if event.event.time >= since]

    def listen(self, since: float) -> asyncio.Queue[ProjectEvent]:
        """A queue of events from ``since`` (seconds since the epoch) on; give it back with :meth:`unlisten`."""
        queue: asyncio.Queue[ProjectEvent] = asyncio.Queue(maxsize=2 * EVENTS_KEPT)
        for event in self.happened(since):
            queue.put_nowait(event)
        self._listeners.add(queue)
        return queue

    def unlisten(self, queue: asyncio.Queue[ProjectEvent]) -> None:
        """End a queue of :meth:`listen`."""
        self._listeners.discard(queue)

    def _changed(self, item: Item, action: str) -> None:
        self._tell_guardian()
        try:
            self._save()
        except EnvironmentFailure as error:  # the service runs all the same; daemon.log has the reason
            report = {"message": "the list of processes could not be written", "exception": error}
            asyncio.get_running_loop().call_exception_handler(report)
        event = ProjectEvent(
            project=item.launch.labels.get(LABEL_PROJECT, ""),
            event=EngineEvent(
                time=time.time(),
                action=action,
                instance_id=item.launch.id,
                service=item.launch.service,
                index=item.launch.index,
                exit_code=item.exit_code,
            ),
        )
        self._happened.append(event)
        for queue in self._listeners:
            if not queue.full():  # a reader that is a thousand events behind has to ask for the state
                queue.put_nowait(event)

    def _groups(self) -> set[int]:
        processes = (item for item in self._items.values() if isinstance(item, Supervised))
        return {item.pid for item in processes if item.state is State.RUNNING}

    def _tell_guardian(self) -> None:
        now = self._groups()
        words = [b"+%d\n" % group for group in now - self._known_groups]
        words += [b"-%d\n" % group for group in self._known_groups - now]
        self._known_groups = now
        if words:
            os.write(self._guardian, b"".join(words))

    def _save(self) -> None:
        """Write who runs: pid and start time, so that a recycled pid is never taken for one of ours."""
        instances = tuple(
            RecordedInstance(
                id=item.launch.id,
                name=item.launch.name,
                service=item.launch.service,
                index=item.launch.index,
                labels=item.launch.labels,
                pid=item.pid,
                born=item.born,
            )
            for item in self._items.values()
            if isinstance(item, Supervised)
        )
        content = DaemonFile(pid=os.getpid(), born=self._born, instances=instances)
        make_state_directory(self._directory)  # it may be removed while the project is up
        daemon_file.write(self._directory, content)
