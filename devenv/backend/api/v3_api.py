"""Jaeger's query API v3 under ``/api/v3``."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable
from itertools import chain

from devenv.backend.api.otlp_document import resource_spans
from devenv.backend.api.params import v3_query
from devenv.backend.api.streaming import list_response
from devenv.backend.query.lookups import Snapshot, find, operations, size
from devenv.backend.query.summaries import summarize, summary_document
from devenv.backend.store.decoding import decode, snapshot
from devenv.backend.store.store import Store
from devenv.http.server.message import Parameters, Request, Response, dumps
from devenv.http.server.router import Route
from devenv.traces.ids import parse_trace_id
from devenv.traces.times import parse_bool, parse_rfc3339

_DEFAULT_KIND = "internal"


class V3Api:
    """The handlers."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def routes(self) -> list[Route]:
        """Return all paths of the dialect."""
        return [
            Route("GET", "/api/v3/services", self.services),
            Route("GET", "/api/v3/operations", self.operations),
            Route("GET", "/api/v3/traces", self.traces),
            Route("GET", "/api/v3/traces/{id}", self.trace),
            Route("GET", "/api/v3/trace-summaries", self.summaries),
        ]

    def services(self, request: Request) -> Response:  # noqa: ARG002 (the handler's signature)
        """Return the names of all services."""
        return Response.json({"services": sorted(self._store.services)})

    def operations(self, request: Request) -> Response:
        """Return the span names of a service with their kinds."""
        try:
            parameters = request.parameters()
        except ValueError as error:
            return _failure(400, str(error))
        found = operations(self._store, parameters.first("service"), parameters.first("spanKind", "span_kind"))
        listed = [{"name": name, "spanKind": kind or _DEFAULT_KIND} for name, kind in found]
        return Response.json({"operations": listed})

    def traces(self, request: Request) -> Response | Awaitable[Response]:
        """Search; one document contains the resources of all traces. No match is 404."""
        try:
            query = v3_query(request.parameters())
        except ValueError as error:
            return _failure(400, str(error))
        return find(self._store, query, _traces)

    def trace(self, request: Request) -> Response:
        """Return one trace by an ID in hexadecimal or base64."""
        try:
            _check_window(request.parameters())
            trace_id = _trace_id(request.arguments["id"])
        except ValueError as error:
            return _failure(400, f"malformed parameter trace_id: {error}")
        trace = self._store.get(trace_id)
        return _traces([snapshot(trace, self._store.scopes)] if trace is not None else [])

    def summaries(self, request: Request) -> Response | Awaitable[Response]:
        """Search and return counts instead of spans. No match is an empty list."""
        try:
            query = v3_query(request.parameters())
        except ValueError as error:
            return _failure(400, str(error))
        return find(self._store, query, _summaries)


def _summaries(found: list[Snapshot]) -> Response:
    documents = (dumps(summary_document(summarize(decode(*taken)))) for taken in found)
    return list_response(b'{"summaries":[', documents, b"]}", size(found))


def _traces(found: list[Snapshot]) -> Response:
    if not found:
        return _failure(404, "No traces found")
    documents = map(dumps, chain.from_iterable(resource_spans(decode(*taken)) for taken in found))
    return list_response(b'{"result":{"resourceSpans":[', documents, b"]}}", size(found))


def _failure(status: int, message: str) -> Response:
    return Response.json({"error": {"httpCode": status, "message": message}}, status)


def _check_window(parameters: Parameters) -> None:
    # Hints for storages with partitions by time; here they are only checked.
    for names in (("startTime", "start_time"), ("endTime", "end_time")):
        value = parameters.first(*names)
        if value:
            parse_rfc3339(value)
    raw = parameters.first("rawTraces", "raw_traces")
    if raw:
        parse_bool(raw)


def _trace_id(given: str) -> bytes:
    try:
        return parse_trace_id(given)
    except ValueError:
        padded = given.replace("-", "+").replace("_", "/").rstrip("=")
        try:
            decoded = base64.b64decode(padded + "=" * (-len(padded) % 4), validate=True)
        except binascii.Error:
            decoded = b""
        if len(decoded) not in {8, 16}:
            raise
        return decoded.rjust(16, b"\0")
