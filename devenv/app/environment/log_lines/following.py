"""Follows the output of services over restarts and recreations of their instances."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from devenv.contract.answers import LogLine
from devenv.errors import EngineRefused
from devenv.model.state import RUNS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from devenv.contract.engine import Engine
    from devenv.model.identity import Project
    from devenv.model.state import ObservedInstance

POLL_SECONDS = 1.0
"""Seconds between questions to the engine about instances that have ended."""

QUIET_SECONDS = 5.0
"""Following ends if nothing of what is followed runs for so long; a restart or a recreation is quicker."""

QUEUE = 1000
"""Lines that are held: beyond it, an instance that writes faster than they are read is slowed down."""

Entry = tuple["ObservedInstance", "LogLine | str"]


class Following:
    """The lines of some services as they arrive."""

    def __init__(
        self, engine: Engine, project: Project, services: tuple[str, ...], *, since: float | None, tail: int | None
    ) -> None:
        """Prepare to follow.

        Args:
            engine: has the output.
            project: whose services.
            services: names; empty: all.
            since: seconds since the epoch; older lines are not shown.
            tail: number of lines from before now, for each instance.
        """
        self._engine = engine
        self._project = project
        self._services = services
        self._since = since
        self._tail = tail
        self._queue: asyncio.Queue[Entry | None] = asyncio.Queue(maxsize=QUEUE)
        self._pumps: dict[str, asyncio.Task[None]] = {}
        self._last: dict[str, float] = {}
        self._starts: dict[str, float | None] = {}

    async def lines(self, instances: Iterable[ObservedInstance]) -> AsyncIterator[Entry]:
        """Yield each line with its instance, or instead of a line what happened to the instance.

        Args:
            instances: those that exist now.

        Raises:
            EngineUnavailable: If the engine stops responding.
        """
        for instance in instances:
            self._follow(instance, first=True)
        watcher = asyncio.create_task(self._watch())
        try:
            while (entry := await self._queue.get()) is not None:
                yield entry
            await watcher
        finally:
            for task in (watcher, *self._pumps.values()):
                task.cancel()
            await asyncio.gather(watcher, *self._pumps.values(), return_exceptions=True)

    def _follow(self, instance: ObservedInstance, *, first: bool) -> None:
        self._starts[instance.id] = instance.started_at
        self._pumps[instance.id] = asyncio.create_task(self._pump(instance, first=first))

    async def _pump(self, instance: ObservedInstance, *, first: bool) -> None:
        last = self._last.get(instance.id)
        since = self._since if last is None else last
        with suppress(EngineRefused):  # it was removed meanwhile; the watcher finds what replaces it
            async for line in self._engine.logs(
                instance.id, follow=True, since=since, tail=self._tail if first else None
            ):
                if last is not None and line.time <= last:
                    continue
                self._last[instance.id] = max(line.time, self._last.get(instance.id, 0.0))
                await self._queue.put((instance, line))

    async def _watch(self) -> None:
        """Follow again what runs again, and what is new; end if nothing runs any more or the engine is lost."""
        loop = asyncio.get_running_loop()
        ran = loop.time()
        try:
            while loop.time() - ran < QUIET_SECONDS:
                await asyncio.sleep(POLL_SECONDS)
                ended = [key for key, pump in self._pumps.items() if pump.done()]
                for key in ended:
                    self._pumps[key].result()
                if len(ended) < len(self._pumps):
                    ran = loop.time()
                if not ended:
                    continue
                for instance in (await self._engine.observe(self._project)).instances:
                    if instance.state in RUNS and (not self._services or instance.service in self._services):
                        ran = loop.time()
                        await self._again(instance)
        finally:
            await self._queue.put(None)  # or the reader would wait forever

    async def _again(self, instance: ObservedInstance) -> None:
        """Follow an instance that is new, or that was started again after its output had ended."""
        pump = self._pumps.get(instance.id)
        if pump is not None and not pump.done():
            return
        if self._starts.get(instance.id) != instance.started_at:
            what = "restarted" if pump is not None else "recreated"
            await self._queue.put((instance, f"({instance.name} was {what})"))
        self._follow(instance, first=False)
