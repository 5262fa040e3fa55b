"""devenv's own API, for what Jaeger's has not: evicted traces, and the backend's figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from devenv.backend.store.store import Store
from devenv.http.server.message import HttpRequest, Response
from devenv.http.server.router import Route
from devenv.traces.ids import parse_trace_id


class DevenvApi:
    """The handlers under ``/api/devenv``."""

    def __init__(self, store: Store, stats: Callable[[], dict[str, Any]]) -> None:
        self._store = store
        self._stats = stats

    def routes(self) -> list[Route]:
        """``evicted`` and ``stats``."""
        return [
            Route("GET", "/api/devenv/evicted", self.evicted),
            Route("GET", "/api/devenv/stats", self.stats),
        ]

    def evicted(self, request: HttpRequest) -> Response:
        """``?traceID=…`` (repeatable): return which of these traces the store evicted.

        ``forgotten`` counts evicted traces whose IDs are no longer stored: while it is 0, the list is exact.
        """
        try:
            ids = [parse_trace_id(value) for value in request.parameters().every("traceID")]
        except ValueError as error:
            return Response.json({"error": str(error)}, 400)
        evicted = self._store.evicted
        found = [trace_id.hex() for trace_id in evicted.among(ids)]
        return Response.json({"evicted": found, "total": evicted.total, "forgotten": evicted.forgotten})

    def stats(self, request: HttpRequest) -> Response:  # noqa: ARG002 (the handler's signature)
        """Return the figures of :meth:`devenv.backend.Backend.stats`."""
        return Response.json(self._stats())
