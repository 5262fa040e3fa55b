"""Output of services while ``up`` waits for them, as events between the others."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from devenv.events import Event, ServiceLog, ServiceStarted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from devenv.contract.engine import Engine
    from devenv.events import Sink
    from devenv.model.identity import Project

AGAIN_SECONDS = 0.2
"""Seconds after the end of an instance until it is looked whether it runs again."""


@asynccontextmanager
async def shown_logs(engine: Engine, project: Project, sink: Sink, *, wanted: bool) -> AsyncIterator[Sink]:
    """A sink that forwards events to ``sink`` and follows the output of each instance after its start.

    Following ends with the context: then ``up`` prints its result, and ``devenv logs`` shows later output.
    """
    if not wanted:
        yield sink
        return
    followers: list[asyncio.Task[None]] = []

    def take(event: Event) -> None:
        sink(event)
        if isinstance(event, ServiceStarted):
            followers.append(asyncio.create_task(_follow(engine, project, event, sink)))

    try:
        yield take
    finally:
        for follower in followers:
            follower.cancel()
        await asyncio.gather(*followers, return_exceptions=True)


async def _follow(engine: Engine, project: Project, started: ServiceStarted, sink: Sink) -> None:
    observed = await engine.observe(project)
    for instance in observed.of(started.service):
        if instance.index == max(started.instance, 1):
            await _follow_instance(engine, instance.id, started, sink)


async def _follow_instance(engine: Engine, instance_id: str, started: ServiceStarted, sink: Sink) -> None:
    """Show the output of an instance and of its restarts, until cancelled: following ends with each end of it."""
    known, last = 0.0, 0.0
    while True:
        async for line in engine.logs(instance_id, follow=True, since=known or None):
            if line.time > known:
                last = line.time
                sink(ServiceLog(service=started.service, instance=started.instance, line=line.text))
        known = last
        await asyncio.sleep(AGAIN_SECONDS)
