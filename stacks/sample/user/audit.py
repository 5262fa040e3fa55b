"""The audit log: what happened to an account, written in the background by a queue's worker."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from chassis.logs import REQUEST_ID
from devenv import tracing
from user.store import Store

_DRAIN_S = 3  # for what is still queued when the service stops

log = logging.getLogger("audit")


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """A change of an account; ``detail`` names fields, never their values."""

    account_id: int
    action: str
    detail: str
    request_id: str


class AuditLog:
    """Accepts events at once and writes them later, each as a child of the request that put it on the queue.

    Args:
        store: store that the events are written to.
        size: maximum number of events that wait; putting a further one waits until there is room.
    """

    def __init__(self, store: Store, size: int) -> None:
        self._store = store
        self._queue: tracing.TracedQueue[AuditEvent] = tracing.TracedQueue("audit", size)

    async def put(self, account_id: int, action: str, detail: str = "") -> None:
        """Queue an event of the current request."""
        await self._queue.put(AuditEvent(account_id, action, detail, REQUEST_ID.get()))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write queued events during the block, and the rest of them after it."""
        worker = asyncio.create_task(self._work())
        try:
            yield
            try:
                await asyncio.wait_for(self._queue.join(), _DRAIN_S)
            except TimeoutError:
                log.exception("%d audit events were lost at the end", self._queue.qsize())
        finally:
            worker.cancel()
            await asyncio.wait([worker])

    async def _work(self) -> None:
        while True:
            try:
                async with self._queue.process() as event:
                    await self._write(event)
            except sqlite3.Error:
                # The span has the exception; one event that cannot be written must not stop those after it.
                log.exception("an audit event was not written")

    async def _write(self, event: AuditEvent) -> None:
        REQUEST_ID.set(event.request_id)
        tracing.set_attributes({"account.id": event.account_id, "audit.action": event.action})
        await self._store.record(event.account_id, event.action, event.detail, event.request_id)
        log.info("%s", event.action, extra={"fields": {"account_id": event.account_id}})
