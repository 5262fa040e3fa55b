"""devenv's own API, for what Jaeger's has not: filters as text, evicted traces, and the backend's figures."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from devenv.backend.api.params import BadParameter, v3_query
from devenv.backend.api.v3_api import summary_list
from devenv.backend.query.lookups import find
from devenv.backend.store.store import Store
from devenv.http.server.message import HttpRequest, Response
from devenv.http.server.router import Route
from devenv.http.server.turns import Turns
from devenv.traces.dialect import EVICTED_PATH, FILTERED_PATH
from devenv.traces.filters.expression import FilterError
from devenv.traces.filters.text_form import parse
from devenv.traces.ids import parse_trace_id


class DevenvApi:
    """The handlers under ``/api/devenv``."""

    def __init__(self, store: Store, turns: Turns, stats: Callable[[], dict[str, Any]]) -> None:
        self._store = store
        self._turns = turns
        self._stats = stats

    def routes(self) -> list[Route]:
        """``trace-summaries``, ``evicted`` and ``stats``."""
        return [
            Route("GET", FILTERED_PATH, self.summaries),
            Route("GET", EVICTED_PATH, self.evicted),
            Route("GET", "/api/devenv/stats", self.stats),
        ]

    def summaries(self, request: HttpRequest) -> Response | Awaitable[Response]:
        """``?where=…``: search by a filter as text. The other parameters are those of API v3, and are met, too.

        Jaeger ignores a parameter that it does not know, and would return every trace: hence another path.
        """
        try:
            parameters = request.parameters()
            query = v3_query(parameters)
            where = parameters.first("where")
            if where and query.where is not None:
                raise BadParameter("'where' cannot be combined with query.filter")
            query = replace(query, where=parse(where) if where else query.where)
        except FilterError as error:
            facts = {"error": f"where: {error}", "column": error.column, "hint": error.hint}
            return Response.json(facts, 400)
        except ValueError as error:
            return Response.json({"error": str(error)}, 400)
        return find(self._store, query, summary_list, self._turns)

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
