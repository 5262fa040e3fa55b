"""Which services had sent spans when ``up`` ended, so that ``status`` asks the trace backend about the others alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from devenv.errors import BackendUnavailable

if TYPE_CHECKING:
    from devenv.app.record import Record
    from devenv.app.session import Running
    from devenv.app.urls import BackendAddress
    from devenv.model.documents import CanaryDocument
    from devenv.model.stack import Stack
    from devenv.model.state import ObservedState

_CHECKED = frozenset({"complete", "partial", "split"})
"""Verdicts of a canary after which every other service with spans is known."""


def with_spans(record: Record, stack: Stack, canary: CanaryDocument, observed: ObservedState) -> Record:
    """Return ``record`` with the services that are expected to send spans, and the starts of those that have.

    Args:
        record: of the running ``up``.
        stack: as resolved from its files.
        canary: the result of the canary.
        observed: the running instances.
    """
    from devenv.app.traces.called_services import started_at, traced_services

    traced = traced_services(stack)
    silent = {*canary.missing, *canary.no_spans_yet} if canary.verdict in _CHECKED else set(traced.values())
    heard = {name: time for name, time in started_at(traced, observed).items() if name not in silent}
    return replace(record, traced=traced, heard=heard)


def silent_after(record: Record, canary: CanaryDocument) -> list[str] | None:
    """Return the service names in spans without a span after a canary; ``None`` if it has not shown that."""
    if canary.verdict not in _CHECKED:
        return None
    return [name for name in (record.traced or {}).values() if name not in (record.heard or {})]


async def still_silent(project: Running, backend: BackendAddress | None, *, now: float) -> list[str]:
    """Return the running services that have sent no span since they started; empty if the backend does not respond.

    Only those are asked about that had sent none when ``up`` ended, or that were started again since.

    Args:
        project: with its record.
        backend: its trace backend.
        now: seconds since the epoch.
    """
    record = project.record
    if backend is None or not record.traced:
        return []
    from devenv.app.traces.called_services import started_at, without_spans

    heard = record.heard or {}
    started = {
        name: time for name, time in started_at(record.traced, project.observed).items() if heard.get(name) != time
    }
    if not started:
        return []
    from devenv.app.traces.canary import lean_sender
    from devenv.traces.client import TraceClient

    try:
        async with TraceClient(backend.query_url, sender=lean_sender, token=backend.token) as client:
            return await without_spans(client, started, now=now)
    except BackendUnavailable:
        return []
