"""CPU and memory of a container: from its control group if the engine is on this machine, else from the engine.

The engine's statistics, one-shot ones included, wait for its sampling of once a second when several are asked for at
once; ``status`` has half of that for everything.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from devenv.engine.cgroups import GroupFigures, group_figures
from devenv.engine.docker.inspections import Inspections
from devenv.engine.docker.observation import read_time
from devenv.engine.docker.sdk_connection import SdkConnection
from devenv.engine.docker.translation import Conflict, NoSuchObject
from devenv.model.state import Usage

Sample = tuple[float, float]
"""When it was read in seconds since the epoch, and the CPU time used until then in seconds."""


class Statistics:
    """Keeps the last sample of each container, so that the next figure is over the time in between."""

    def __init__(self, connection: SdkConnection, inspections: Inspections) -> None:
        self._connection = connection
        self._inspections = inspections
        self._last: dict[str, Sample] = {}

    async def usage(self, container_id: str) -> Usage | None:
        """CPU since the last call, at first since the start, and memory; ``None`` if the container does not run."""
        try:
            found = await self._inspections.recent(container_id)
            if not found["State"]["Running"]:
                self._last.pop(container_id, None)
                return None
            started = (read_time(found["State"]["StartedAt"]) or 0.0, 0.0)
            read = await self._figures(found["State"]["Pid"], container_id)
        except (NoSuchObject, Conflict):
            return None
        if read is None:
            return None
        when, figures = read
        before = self._last.get(container_id, started)
        if before[0] < started[0]:
            before = started  # it was restarted in between
        self._last[container_id] = (when, figures.cpu_seconds)
        return compared(figures, when, before)

    async def _figures(self, pid: int, container_id: str) -> tuple[float, GroupFigures] | None:
        if self._connection.address.socket_path is not None:
            figures = group_figures(pid, container_id)
            if figures is not None:
                return time.time(), figures
        found = await self._connection.call(
            lambda client: client.stats(container_id, stream=False, one_shot=True), doing="reading statistics"
        )
        return read_statistics(found) if found.get("memory_stats") else None


def compared(figures: GroupFigures, when: float, before: Sample) -> Usage:
    """Usage between the sample ``before`` and the figures of ``when``."""
    elapsed = when - before[0]
    return Usage(
        cpu_percent=max(figures.cpu_seconds - before[1], 0.0) / elapsed * 100 if elapsed > 0 else 0.0,
        memory_bytes=figures.memory_bytes,
        memory_limit_bytes=figures.memory_limit_bytes,
        pids=figures.pids,
    )


def read_statistics(found: Mapping[str, Any]) -> tuple[float, GroupFigures]:
    """The engine's one-shot statistics, and when they were read; memory without the file cache, as ``docker stats``."""
    memory = found["memory_stats"]
    details = memory.get("stats") or {}
    cache = details.get("total_inactive_file", details.get("inactive_file", 0))
    return read_time(found["read"]) or 0.0, GroupFigures(
        cpu_seconds=found["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9,
        memory_bytes=max(memory.get("usage", 0) - cache, 0),
        memory_limit_bytes=memory.get("limit", 0),
        pids=(found.get("pids_stats") or {}).get("current", 0),
    )
