"""Jaeger's legacy query API under ``/api``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from devenv.backend.api.legacy_json import trace_json
from devenv.backend.api.params import BadParameter, dependency_window, legacy_query, legacy_raw
from devenv.backend.api.streaming import list_response
from devenv.backend.api.transform import transform
from devenv.backend.query.dependencies import Edges, dependencies
from devenv.backend.query.lookups import Snapshot, find, operations, size
from devenv.backend.store.decoding import decode, snapshot
from devenv.backend.store.store import Store
from devenv.http.server.message import Request, Response, dumps
from devenv.http.server.router import Route
from devenv.otlp import messages
from devenv.otlp.wire import Undecodable
from devenv.traces.ids import parse_trace_id, show_trace_id

_OPENING = b'{"data":['


class LegacyApi:
    """The handlers; ``now`` returns wall time in ns."""

    def __init__(self, store: Store, now: Callable[[], int]) -> None:
        self._store = store
        self._now = now

    def routes(self) -> list[Route]:
        """Return all paths of the dialect that this backend serves."""
        return [
            Route("GET", "/api/services", self.services),
            Route("GET", "/api/services/{service}/operations", self.operation_names),
            Route("GET", "/api/operations", self.operations),
            Route("GET", "/api/traces", self.traces),
            Route("GET", "/api/traces/{id}", self.trace),
            Route("GET", "/api/dependencies", self.dependencies),
            Route("POST", "/api/transform", self.transform),
            Route("GET", "/api/metrics/{name}", _no_metrics),
        ]

    def services(self, request: Request) -> Response:  # noqa: ARG002 (the handler's signature)
        """Return the names of all services."""
        names = sorted(self._store.services)
        return _envelope(names, len(names))

    def operation_names(self, request: Request) -> Response:
        """Return the distinct span names of a service."""
        names = sorted({name for name, _ in operations(self._store, request.arguments["service"])})
        return _envelope(names, len(names))

    def operations(self, request: Request) -> Response:
        """Return the span names of a service with their kinds."""
        try:
            parameters = request.parameters()
        except ValueError as error:
            return _failure(400, str(error))
        service = parameters.first("service")
        if not service:
            return _failure(400, "parameter 'service' is required")
        found = operations(self._store, service, parameters.first("spanKind"))
        return _envelope([{"name": name, "spanKind": kind} for name, kind in found], len(found))

    def traces(self, request: Request) -> Response | Awaitable[Response]:
        """Search, or look up several IDs."""
        try:
            parameters = request.parameters()
            legacy_raw(parameters)
            ids = [parse_trace_id(value) for value in parameters.every("traceID")]
            if ids:
                return self._by_ids(ids)
            query = legacy_query(parameters, self._now())
        except ValueError as error:
            return _failure(400, str(error))
        return find(self._store, query, _traces)

    def _by_ids(self, ids: list[bytes]) -> Response:
        found: list[Snapshot] = []
        errors = []
        for trace_id in ids:
            trace = self._store.get(trace_id)
            if trace is None:
                errors.append({"msg": "trace not found", "traceID": show_trace_id(trace_id)})
            else:
                found.append(snapshot(trace, self._store.scopes))
        return _traces(found, errors or None)

    def trace(self, request: Request) -> Response:
        """Return one trace."""
        try:
            legacy_raw(request.parameters())
            trace = self._store.get(parse_trace_id(request.arguments["id"]))
        except ValueError as error:
            return _failure(400, str(error))
        if trace is None:
            return _failure(404, "trace not found")
        return _traces([snapshot(trace, self._store.scopes)])

    async def dependencies(self, request: Request) -> Response:
        """Return the calls between services."""
        try:
            parameters = request.parameters()
            window = dependency_window(parameters, self._now())
        except BadParameter as error:
            return _failure(400, str(error))
        edges: Edges = {}
        for step in dependencies(self._store, *window):
            if step is None:
                await asyncio.sleep(0)
            else:
                edges = step
        service = parameters.first("service")
        links = [
            {"parent": parent, "child": child, "callCount": edge.calls}
            for (parent, child), edge in sorted(edges.items())
            if service in {"", parent, child}
        ]
        return _envelope(links)

    def transform(self, request: Request) -> Response:
        """Convert OTLP JSON to Jaeger's JSON; nothing is stored."""
        try:
            documents = list(map(trace_json, transform(request.body)))
        except Undecodable as error:
            return _failure(400, f"cannot unmarshal OTLP : {error}")
        except ValueError as error:
            return _failure(413, str(error))
        return list_response(_OPENING, documents, _closing(None), 0)


def _no_metrics(request: Request) -> Response:  # noqa: ARG001 (the handler's signature)
    # The response of Jaeger without a metrics storage.
    return _failure(501, "metrics querying is currently disabled")


def _document(taken: Snapshot) -> bytes:
    return trace_json(decode(*taken, messages.OpaqueSpan))


def _traces(found: list[Snapshot], errors: list[dict[str, Any]] | None = None) -> Response:
    return list_response(_OPENING, map(_document, found), _closing(errors), size(found))


def _closing(errors: list[dict[str, Any]] | None) -> bytes:
    return b'],"total":0,"limit":0,"offset":0,"errors":%b}' % dumps(errors)


def _envelope(data: Any, total: int = 0) -> Response:
    return Response.json({"data": data, "total": total, "limit": 0, "offset": 0, "errors": None})


def _failure(status: int, message: str) -> Response:
    errors = [{"code": status, "msg": message}]
    return Response.json({"data": None, "total": 0, "limit": 0, "offset": 0, "errors": errors}, status)
