"""Log records that arrive at the trace backend from now on, as lines."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from devenv.app.environment.log_lines.sent_lines import Instances, SentQuery, has_log_records, log_query, sent_lines
from devenv.app.urls import require_backend
from devenv.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from devenv.app.session import Running
    from devenv.model.log import LogRecord, ServiceLine
    from devenv.traces.client import TraceClient

POLL_SECONDS = 0.5
"""Between two questions; exporters send once a second or less often."""

PATIENCE_SECONDS = 10.0
"""Seconds without an answer after which that is said; `devenv up` may start the backend again."""

_NONE_ARRIVED = 1 << 62


class SentFeed:
    """The records of a running project.

    Args:
        project: the running project.
        query: which.
        warn: called with the reason if they cannot be read.
    """

    def __init__(self, project: Running, query: SentQuery, warn: Callable[[str], None]) -> None:
        self._project = project
        self._query = query
        self._warn = warn
        self._instances = Instances(project)
        self._arrived = 0

    async def begin(self) -> list[ServiceLine]:
        """Return the earlier records, and with ``query.traces`` the earlier events of spans."""
        if has_log_records(self._project):
            try:
                async with await self._client() as client:
                    self._arrived = (await client.logs(log_query(self._query, arrived_from=_NONE_ARRIVED))).arrived
            except BackendUnavailable as error:
                self._warn(f"only captured output is shown: {error.message}")
                return []
            self._query = replace(self._query, arrived_before=self._arrived)
        return await sent_lines(self._project, self._query, self._warn)

    async def batches(self) -> AsyncIterator[list[ServiceLine]]:
        """Yield new records, oldest first, as often as some have arrived; without a backend that has some, end."""
        loop = asyncio.get_running_loop()
        missed: float | None = None
        while has_log_records(self._project):
            try:
                async with await self._client() as client:
                    while True:
                        if found := await self._new(client):
                            yield found
                        missed = None
                        await asyncio.sleep(POLL_SECONDS)
            except BackendUnavailable as error:
                missed = missed or loop.time()
                if missed >= 0 and loop.time() - missed > PATIENCE_SECONDS:
                    self._warn(f"no log records are shown: {error.message}")
                    missed = -1.0
            await asyncio.sleep(POLL_SECONDS)

    async def _client(self) -> TraceClient:
        from devenv.app.traces.canary import lean_sender
        from devenv.traces.client import TraceClient

        backend = await require_backend(self._project)
        return TraceClient(backend.query_url, token=backend.token, sender=lean_sender)

    async def _new(self, client: TraceClient) -> list[ServiceLine]:
        found = await client.logs(log_query(self._query, arrived_from=self._arrived))
        if found.arrived < self._arrived:  # a backend that was started again counts from 0
            self._arrived = 0
            found = await client.logs(log_query(self._query, arrived_from=0))
        records: list[LogRecord] = found.records
        bounds = {"arrived_from": self._arrived, "arrived_before": found.arrived}
        before = found.before
        while before:
            older = await client.logs(log_query(self._query, before=before, **bounds))
            records, before = [*older.records, *records], older.before
        self._arrived = found.arrived
        lines = [self._instances.line_of_record(record) for record in records]
        return [line for line in lines if not self._query.services or line.service in self._query.services]
