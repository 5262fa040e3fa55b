"""``devenv metrics``: the metrics that services send, and rate, errors and durations computed from their spans."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from devenv.app.session import running
from devenv.app.urls import require_backend
from devenv.errors import BackendUnavailable, UnknownName
from devenv.model.metrics_document import MetricsDocument, SpanFiguresPart, SurplusPart
from devenv.suggestions import suggest

if TYPE_CHECKING:
    from devenv.app.invocation import Invocation
    from devenv.clock import Clock
    from devenv.traces.client import TraceClient

WINDOW_S = 15 * 60
MOST = 500
"""Traces that are read if the trace backend does not compute the figures: some seconds of work."""
TIMEOUT = 60.0


async def metrics(invocation: Invocation, service: str | None, *, clock: Clock) -> MetricsDocument:
    """The series of one service or of all, with their last 15 minutes.

    Raises:
        NotUp: If the project is not running.
        BackendUnavailable: If its trace backend does not respond.
        UnknownName: If neither the project nor the trace backend has the service.
    """
    from devenv.traces.client import TraceClient

    async with running(invocation) as project:
        backend = await require_backend(project)
        known = {instance.service for instance in project.observed.instances}
    async with TraceClient(backend.query_url, token=backend.token, timeout=TIMEOUT) as client:
        document = await document_of(client, service, now=round(clock.now() * 1e9))
        if service is not None and service not in known and not document.series and not document.spans:
            known |= set(await client.services())
            if service not in known:
                expected = ", ".join(sorted(known)) or "none"
                raise UnknownName(f"no service {service!r}, expected one of: {expected}", hint=suggest(service, known))
    return document


async def document_of(client: TraceClient, service: str | None, *, now: int) -> MetricsDocument:
    """What one trace backend has; ``now`` in ns.

    Raises:
        BackendUnavailable: If it does not respond as expected.
    """
    found = await client.metrics(service)
    if found is None:
        return await _from_spans(client, service, now=now)
    try:
        return MetricsDocument.model_validate(found)
    except ValueError as error:
        raise BackendUnavailable(
            f"the trace backend at {client.query_url} is another version of devenv's: {error}",
            hint="run `devenv up` again",
        ) from error


async def _from_spans(client: TraceClient, service: str | None, *, now: int) -> MetricsDocument:
    """What the spans of the newest traces say."""
    from devenv.analysis.span_figures import figures_of
    from devenv.traces.background import in_background
    from devenv.traces.query import Query

    start = now - round(WINDOW_S * 1e9)
    query = Query(service=service, start_ns=start, end_ns=now, limit=MOST + 1)
    traces = await client.find(query)
    looked = traces[:MOST]
    figures = await in_background(lambda: figures_of(looked, start, now))
    return MetricsDocument(
        stored=False,
        series=[],
        kept=0,
        limit=0,
        surplus=SurplusPart(series=0, more_series=False, points={}, evicted=0, refused={}),
        spans=[
            SpanFiguresPart(service=name, **asdict(found))
            for name, found in figures.items()
            if service is None or name == service
        ],
        looked_at=len(looked),
        older_left_out=len(traces) > MOST,
    )
