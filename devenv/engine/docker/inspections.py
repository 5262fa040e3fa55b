"""Inspections of containers, kept for a moment: ``status`` asks for three things of each at once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from devenv.engine.docker.sdk_connection import SdkConnection

RECENT_SECONDS = 0.5

Inspected = Mapping[str, Any]
"""A container as ``GET /containers/{id}/json`` describes it."""


class Inspections:
    """Looks at containers."""

    def __init__(self, connection: SdkConnection) -> None:
        self._connection = connection
        self._seen: dict[str, tuple[float, Inspected]] = {}

    async def now(self, container_id: str) -> Inspected:
        """Look at a container.

        Raises:
            NoSuchObject: If it does not exist.
        """
        found: Inspected = await self._connection.call(
            lambda client: client.inspect_container(container_id), doing=f"inspecting container {container_id[:12]}"
        )
        self._seen[container_id] = (time.monotonic(), found)
        return found

    async def recent(self, container_id: str) -> Inspected:
        """What was seen a moment ago of a container that ran then, else a look at it."""
        when, found = self._seen.get(container_id, (0.0, {}))
        if found and found["State"]["Running"] and time.monotonic() - when < RECENT_SECONDS:
            return found
        return await self.now(container_id)

    def forget(self, container_id: str) -> None:
        """Something is being done to it."""
        self._seen.pop(container_id, None)
