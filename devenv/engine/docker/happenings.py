"""Engine events, read once and shared by all waiters: exits for ``wait``, changes for ``events``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from devenv.contract.answers import EngineEvent, ExitStatus
from devenv.engine.docker.podman import PODMAN, PODMAN_ACTIONS, product_of
from devenv.engine.docker.sdk_connection import SdkConnection
from devenv.engine.docker.translation import NoSuchObject
from devenv.errors import DevenvError, EngineLost
from devenv.model.identity import LABEL_INSTANCE, LABEL_PROJECT, LABEL_SERVICE, Project

if TYPE_CHECKING:
    from docker import APIClient

ACTIONS = ("start", "die", "oom", "destroy", "health_status")
HISTORY_S = 3.0
"""The answer takes some milliseconds."""
KILLED = 137
"""Exit code of a SIGKILL, also of the kernel's when memory runs out."""


class Happenings:
    """One stream of the events of all that devenv has on the engine; it starts with the first listener."""

    def __init__(self, connection: SdkConnection) -> None:
        self._connection = connection
        self._reader: asyncio.Task[None] | None = None
        self._opened: asyncio.Future[None] | None = None
        self._listeners: dict[str, list[asyncio.Queue[EngineEvent | DevenvError]]] = {}
        self._waiting: dict[str, list[asyncio.Future[ExitStatus]]] = {}
        self._out_of_memory: set[str] = set()
        self._running: set[str] = set()

    def begin(self) -> None:
        """Start to listen, so that the stream is open before the first wait."""
        if self._reader is None or self._reader.done():
            self._opened = asyncio.get_running_loop().create_future()
            self._running.clear()
            self._reader = asyncio.create_task(self._read(self._opened), name="docker events")

    def starts(self, container_id: str) -> None:
        """Note that the container is about to start: if the stream is open, its exit will be an event."""
        if self._opened is not None and self._opened.done():
            self._running.add(container_id)

    def did_not_start(self, container_id: str) -> None:
        """Note that it did not start, or may not have."""
        self._running.discard(container_id)

    async def wait(self, container_id: str) -> ExitStatus:
        """Wait for a container's next exit, or return the last one if it does not run."""
        ended: asyncio.Future[ExitStatus] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(container_id, []).append(ended)
        try:
            await self._listen()
            if container_id not in self._running:
                state = await self._state(container_id)
                if state is None:
                    return ExitStatus(exit_code=KILLED, lost="was removed")
                if state["Status"] in ("exited", "dead"):
                    return _status(state)
            status = await ended
            if status.exit_code == KILLED and not status.oom_killed and not status.error:
                return await self._closer(container_id, status)
            return status
        finally:
            self._waiting[container_id].remove(ended)

    async def events(self, project: Project) -> AsyncIterator[EngineEvent]:
        """What happens to the project's containers from the first step of the iteration on."""
        queue: asyncio.Queue[EngineEvent | DevenvError] = asyncio.Queue()
        self._listeners.setdefault(project.id, []).append(queue)
        try:
            await self._listen()
            while True:
                event = await queue.get()
                if isinstance(event, DevenvError):
                    raise event
                yield event
        finally:
            self._listeners[project.id].remove(queue)

    async def history(self, project: Project, since: float) -> list[EngineEvent]:
        """What the engine still knows of the project's containers: it keeps the last 256 events of all its objects."""
        product = product_of(await self._connection.version())

        def read(client: APIClient) -> list[EngineEvent]:
            times: Any = {"since": f"{since:.6f}", "until": f"{time.time():.6f}"}  # the SDK's types know whole seconds
            stream = client.events(decode=True, filters=event_filters(product), **times)
            return [read_event(raw) for raw in stream if raw["Actor"]["Attributes"].get(LABEL_PROJECT) == project.id]

        try:
            async with asyncio.timeout(HISTORY_S):
                return await self._connection.long_call(read, doing="reading past events")
        except TimeoutError:
            return []  # the engine's clock is behind this one: it waits until then, and the states have to do

    async def close(self) -> None:
        """Stop reading."""
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait([self._reader])
            self._reader = None

    async def _listen(self) -> None:
        """Return once the stream of events is open."""
        self.begin()
        assert self._opened is not None  # noqa: S101 - set together with the reader
        await asyncio.shield(self._opened)

    async def _read(self, opened: asyncio.Future[None]) -> None:
        loop = asyncio.get_running_loop()

        def open_(client: APIClient) -> Iterator[Mapping[str, Any]]:
            stream = client.events(decode=True, filters=filters)
            loop.call_soon_threadsafe(_resolve, opened)
            return iter(stream)

        address = self._connection.address.url
        failure: DevenvError = EngineLost(
            f"the Docker engine at {address} closed the event stream",
            hint="check that the engine is running, then run `devenv up` or `devenv down` to continue",
        )
        try:
            filters = event_filters(product_of(await self._connection.version()))
            async for raw in self._connection.stream(open_, doing="listening for events"):
                self._take(raw)
        except DevenvError as error:
            failure = error
        finally:
            # Cancelled or not: a waiter must not wait for ever.
            if not opened.done():
                opened.set_exception(failure)
                opened.exception()  # marked as seen: there may be no waiter
        self._fail(failure)

    def _take(self, raw: Mapping[str, Any]) -> None:
        event = read_event(raw)
        container_id, code = event.instance_id, event.exit_code
        if event.action == "oom":
            self._out_of_memory.add(container_id)
        elif event.action == "start":
            self._out_of_memory.discard(container_id)
        elif code is not None:
            self._end(container_id, ExitStatus(exit_code=code, oom_killed=container_id in self._out_of_memory))
        elif event.action == "destroy":
            self._end(container_id, ExitStatus(exit_code=KILLED, lost="was removed"))
        for queue in self._listeners.get(raw["Actor"]["Attributes"].get(LABEL_PROJECT, ""), ()):
            queue.put_nowait(event)

    def _end(self, container_id: str, status: ExitStatus) -> None:
        self._running.discard(container_id)
        for future in self._waiting.get(container_id, ()):
            if not future.done():
                future.set_result(status)

    def _fail(self, error: DevenvError) -> None:
        for futures in self._waiting.values():
            for future in futures:
                if not future.done():
                    future.set_exception(error)
        for queues in self._listeners.values():
            for queue in queues:
                queue.put_nowait(error)

    async def _state(self, container_id: str) -> Mapping[str, Any] | None:
        with suppress(NoSuchObject):
            found = await self._connection.call(
                lambda client: client.inspect_container(container_id), doing=f"inspecting container {container_id[:12]}"
            )
            state: Mapping[str, Any] = found["State"]
            return state
        return None

    async def _closer(self, container_id: str, status: ExitStatus) -> ExitStatus:
        """Find out whether memory ran out; the event for that may come after the exit."""
        state = await self._state(container_id)
        return status if state is None or state["Running"] else _status(state)


def _status(state: Mapping[str, Any]) -> ExitStatus:
    return ExitStatus(
        exit_code=state["ExitCode"], oom_killed=bool(state.get("OOMKilled")), error=state.get("Error") or ""
    )


def read_event(raw: Mapping[str, Any]) -> EngineEvent:
    """An event as ``GET /events`` has it; the exit code of one without it is that of a SIGKILL."""
    attributes = raw["Actor"]["Attributes"]
    named = raw["Action"].partition(":")[0]
    action = PODMAN_ACTIONS.get(named, named)
    index = attributes.get(LABEL_INSTANCE, "1")
    return EngineEvent(
        time=raw.get("timeNano", 0) / 1e9,
        action=action,
        instance_id=raw["Actor"]["ID"],
        service=attributes.get(LABEL_SERVICE, ""),
        index=int(index) if index.isdecimal() else 1,
        exit_code=int(attributes.get("exitCode", KILLED)) if action == "die" else None,
    )


def event_filters(product: str) -> dict[str, list[str]]:
    """The filters of ``GET /events``; Podman has its own names of actions, and does not filter by a label's name."""
    if product == PODMAN:
        return {"type": ["container"], "event": [*ACTIONS, *PODMAN_ACTIONS]}
    return {"type": ["container"], "label": [LABEL_PROJECT], "event": list(ACTIONS)}


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
