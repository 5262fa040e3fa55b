"""CPU and memory of a container, from the engine's one-shot statistics."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from devenv.engine.docker.client import Connection
from devenv.engine.docker.observation import read_time
from devenv.engine.docker.translation import Conflict, NoSuchObject
from devenv.model.state import Usage

Sample = tuple[float, int]
"""When it was read (seconds since the epoch, the engine's clock) and the CPU time used until then in nanoseconds."""


class Statistics:
    """Keeps the last sample of each container, so that the next figure is over the time in between."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._last: dict[str, Sample] = {}

    async def usage(self, container_id: str) -> Usage | None:
        """CPU since the last call, at first since the start, and memory; ``None`` where the container does not run.

        The engine answers at once when it was last asked more than a second ago, else after the rest of that second.
        """
        known = self._last.get(container_id)
        found, before = await asyncio.gather(self._read(container_id), self._start(container_id, known))
        if found is None or before is None:
            self._last.pop(container_id, None)
            return None
        self._last[container_id] = _sample(found)
        return read_usage(found, before)

    async def _start(self, container_id: str, known: Sample | None) -> Sample | None:
        """The last sample, else the start, when no CPU time was used; ``None`` where it is gone."""
        if known is not None:
            return known
        try:
            found = await self._connection.call(
                lambda client: client.inspect_container(container_id), doing="looking closer"
            )
        except NoSuchObject:
            return None
        started = read_time(found["State"]["StartedAt"])
        return (started, 0) if started is not None else None

    async def _read(self, container_id: str) -> Mapping[str, Any] | None:
        try:
            found: Mapping[str, Any] = await self._connection.call(
                lambda client: client.stats(container_id, stream=False, one_shot=True), doing="reading statistics"
            )
        except (NoSuchObject, Conflict):
            return None
        return found if found.get("memory_stats") else None


def _sample(found: Mapping[str, Any]) -> Sample:
    return read_time(found["read"]) or 0.0, found["cpu_stats"]["cpu_usage"]["total_usage"]


def read_usage(found: Mapping[str, Any], before: Sample) -> Usage:
    """Usage between ``before`` and the statistics ``found``; memory without the file cache, as ``docker stats``."""
    when, used = _sample(found)
    elapsed = when - before[0]
    memory = found["memory_stats"]
    details = memory.get("stats") or {}
    cache = details.get("total_inactive_file", details.get("inactive_file", 0))
    return Usage(
        cpu_percent=max(used - before[1], 0) / (elapsed * 1e7) if elapsed > 0 else 0.0,
        memory_bytes=max(memory.get("usage", 0) - cache, 0),
        memory_limit_bytes=memory.get("limit", 0),
        pids=(found.get("pids_stats") or {}).get("current", 0),
    )
