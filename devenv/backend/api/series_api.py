"""``/api/devenv/metrics``: the metrics that services sent, and rate, errors and durations from their spans."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import chain

from devenv.backend.api.streaming import json_list
from devenv.backend.metrics.documents import series_document, surplus_document
from devenv.backend.metrics.history import WINDOW
from devenv.backend.metrics.series import Series
from devenv.backend.metrics.store import MetricStore
from devenv.backend.query.span_metrics import figures
from devenv.backend.store.store import Store
from devenv.http.server.message import HttpRequest, Response
from devenv.http.server.router import Route
from devenv.http.server.turns import Turns
from devenv.traces.dialect import METRICS_PATH


class SeriesApi:
    """The handler; ``now`` returns wall time in ns, ``turns`` is the loop's time."""

    def __init__(self, metrics: MetricStore, store: Store, now: Callable[[], int], turns: Turns) -> None:
        self._metrics = metrics
        self._store = store
        self._now = now
        self._turns = turns

    def routes(self) -> list[Route]:
        """Return the path."""
        return [Route("GET", METRICS_PATH, self.metrics)]

    async def metrics(self, request: HttpRequest) -> Response:
        """``?service=…`` (repeatable; default: all): the series, what was not stored, and figures from spans."""
        try:
            asked = request.parameters().every("service")
        except ValueError as error:
            return Response.json({"error": str(error)}, 400)
        now = self._now()
        services = frozenset(asked) or frozenset(self._store.services)
        spans = await self._turns.start().take(figures(self._store, services, now, WINDOW))
        rest = {
            "kept": self._metrics.series,
            "limit": self._metrics.most,
            "surplus": surplus_document(self._metrics),
            "spans": [{"service": name, **asdict(found)} for name, found in spans.items()],
        }
        names = [name for name in self._metrics.services() if not asked or name in asked]
        found = chain.from_iterable(map(self._metrics.of, names))
        closing = f"],{json.dumps(rest)[1:]}"
        return Response(body=json_list('{"stored":true,"series":[', _written(found, now), closing))


def _written(found: Iterator[Series], now: int) -> Iterator[tuple[str]]:
    for series in found:
        yield (json.dumps(series_document(series, now)),)
