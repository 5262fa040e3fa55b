"""All instances of one project: created, started, stopped and removed by requests of the control socket."""

from __future__ import annotations

import asyncio
import json
import os
import time
import zlib
from collections import deque
from typing import TYPE_CHECKING, Any

from devenv.daemon import logfile
from devenv.daemon.addresses import Ports, rewrite
from devenv.daemon.embedded import EmbeddedBackend
from devenv.daemon.instance import Supervised, environment_of
from devenv.disk import replace_file
from devenv.engine.ports import is_free, port_holder
from devenv.engine.process.identity import start_time
from devenv.errors import EngineRefused, NotUp, PortTaken
from devenv.model.identity import LABEL_PROJECT
from devenv.otlp.backend_ports import OTLP_HTTP_PORT, QUERY_PORT

if TYPE_CHECKING:
    from pathlib import Path

    from devenv.model.launch import Launch

EVENTS_KEPT = 500
"""Past events that a listener can still ask for: one that waits for the daemon to start misses none."""

SHOWN = {QUERY_PORT, OTLP_HTTP_PORT}
"""The backend's ports are shown whether the stack file publishes them or not: everything here is on this machine."""

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
        self._items: dict[str, Item] = {}
        self._ports = Ports(zlib.crc32(str(directory).encode()))
        self._listeners: set[asyncio.Queue[dict[str, Any]]] = set()
        self._happened: deque[dict[str, Any]] = deque(maxlen=EVENTS_KEPT)
        self._known_groups: set[int] = set()
        self.empty = asyncio.Event()

    def get(self, instance_id: str) -> Item:
        """An instance by id; raises :class:`~devenv.errors.NotUp` where there is none."""
        try:
            return self._items[instance_id]
        except KeyError:
            raise NotUp(f"no instance {instance_id}") from None

    def create(self, launch: Launch) -> None:
        """Add an instance without starting it; an earlier one of the id has to be removed first."""
        if launch.id in self._items:
            raise EngineRefused(f"an instance {launch.name} is there already")
        self.empty.clear()
        own = [self._ports.host_port(launch.service, launch.index, port) for port in launch.ports]
        if launch.kind == "backend":
            ports = {port.container: number for port, number in zip(launch.ports, own, strict=True)}
            self._items[launch.id] = EmbeddedBackend(launch, ports, self._changed)
        else:
            environment = environment_of(os.environ, launch, own[0] if own else None)
            self._items[launch.id] = Supervised(
                launch=launch,
                environment=rewrite(environment, launch.peers, self._ports),
                log=logfile.LogFile(self.log_path(launch.id)),
                notify=self._changed,
            )
        self._save()

    async def start(self, instance_id: str) -> Item:
        """Start an instance and return it.

        Raises:
            PortTaken: a port that it publishes is in use; the message names by whom.
        """
        item = self.get(instance_id)
        if isinstance(item, Supervised) and item.state not in {"running", "restarting"}:
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
                    hint="end what holds it, change ports: in the stack file, or use devenv up --isolated",
                    details={"port": port.host, "owner": owner, "service": launch.service},
                )

    def _publisher(self, besides: str, port: int) -> str | None:
        """Name of the running instance that publishes ``port``, other than ``besides``."""
        for other in self._items.values():
            runs = other.state in {"running", "restarting"} and other.launch.id != besides
            if runs and any(own.host == port for own in other.launch.ports):
                return other.launch.name
        return None

    async def remove(self, instance_id: str) -> None:
        """Stop an instance at once where it runs, and forget it with its log."""
        item = self.get(instance_id)
        await item.stop(0.0)
        if isinstance(item, Supervised):
            item.log.close()
            logfile.remove(self.log_path(instance_id))
        self._items.pop(instance_id, None)
        self._changed(item, "destroy")
        if not self._items:
            self.empty.set()

    async def stop_all(self) -> None:
        """Stop everything, for the daemon's own end."""
        await asyncio.gather(*(item.stop(None) for item in self._items.values()))

    def retire(self) -> None:
        """Let the daemon end if it has nothing to supervise: an `up` that was killed early leaves it so."""
        if not self._items:
            self.empty.set()

    def log_path(self, instance_id: str) -> Path:
        """Where an instance's output goes."""
        return self._directory / "logs" / f"{instance_id}.log"

    def ports_of(self, item: Item) -> dict[int, int]:
        """Port on this machine by port of the stack file."""
        launch = item.launch
        return {port.container: self._ports.host_port(launch.service, launch.index, port) for port in launch.ports}

    def observe(self) -> list[dict[str, Any]]:
        """Every instance as the engine shows it."""
        return [self.describe(item) for item in self._items.values()]

    def describe(self, item: Item) -> dict[str, Any]:
        """One instance: the fields of ``ObservedInstance`` and how to run a command beside it."""
        launch = item.launch
        ports = self.ports_of(item)
        published = {
            port.container
            for port in launch.ports
            if port.host is not None or (launch.kind == "backend" and port.container in SHOWN)
        }
        return {
            "id": launch.id,
            "name": launch.name,
            "service": launch.service,
            "index": launch.index,
            "labels": dict(launch.labels),
            "kind": launch.kind,
            "state": item.state,
            "exit_code": item.exit_code,
            "error": item.error,
            "restarts": item.restarts,
            "started_at": item.started_at,
            "finished_at": item.finished_at,
            "pid": item.pid,
            "ports": [[ports[number], number] for number in sorted(ports) if number in published],
            "all_ports": {str(number): port for number, port in ports.items()},
            "cwd": launch.cwd,
            "environment": dict(item.environment) if isinstance(item, Supervised) else {},
        }

    def listen(self, since: float) -> asyncio.Queue[dict[str, Any]]:
        """A queue of events from ``since`` (seconds since the epoch) on; give it back with :meth:`unlisten`."""
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(maxsize=2 * EVENTS_KEPT)
        for event in self._happened:
            if event["time"] >= since:
                queue.put_nowait(event)
        self._listeners.add(queue)
        return queue

    def unlisten(self, queue: asyncio.Queue[dict[str, Any]]) -> None:
        """End a queue of :meth:`listen`."""
        self._listeners.discard(queue)

    def _changed(self, item: Item, action: str) -> None:
        self._tell_guardian()
        self._save()
        event = {
            "time": time.time(),
            "action": action,
            "id": item.launch.id,
            "service": item.launch.service,
            "index": item.launch.index,
            "exit_code": item.exit_code,
            "project": item.launch.labels.get(LABEL_PROJECT, ""),
        }
        self._happened.append(event)
        for queue in self._listeners:
            if not queue.full():  # a reader that is a thousand events behind sees the state by asking
                queue.put_nowait(event)

    def _groups(self) -> set[int]:
        return {item.pid for item in self._items.values() if isinstance(item, Supervised) and item.state == "running"}

    def _tell_guardian(self) -> None:
        now = self._groups()
        words = [b"+%d\n" % group for group in now - self._known_groups]
        words += [b"-%d\n" % group for group in self._known_groups - now]
        self._known_groups = now
        if words:
            os.write(self._guardian, b"".join(words))

    def _save(self) -> None:
        """Write who runs: pid and start time, so that a recycled pid is never taken for one of ours."""
        rows = [
            {
                "id": item.launch.id,
                "name": item.launch.name,
                "service": item.launch.service,
                "index": item.launch.index,
                "labels": dict(item.launch.labels),
                "pid": item.pid,
                "born": item.born,
            }
            for item in self._items.values()
            if isinstance(item, Supervised)
        ]
        document = {"pid": os.getpid(), "born": start_time(os.getpid()), "instances": rows}
        replace_file(self._directory / "daemon.json", json.dumps(document).encode(), durable=False)
