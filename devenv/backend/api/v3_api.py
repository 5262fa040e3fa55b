"""Jaeger's query API v3 under ``/api/v3``."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import TypeVar

from devenv.backend.api.envelopes import v3_failure as _failure
from devenv.backend.api.otlp_document import traces_documents
from devenv.backend.api.params import v3_query
from devenv.backend.api.streaming import list_response
from devenv.backend.query.lookups import Found, find, operations, size
from devenv.backend.query.summaries import summarized, summary_document
from devenv.backend.query.traces_data import MEDIA_TYPE, traces_data
from devenv.backend.store.decoding import Snapshot, is_small, paused, snapshot
from devenv.backend.store.store import Store
from devenv.http.server.message import HttpRequest, Parameters, Response, dumps
from devenv.http.server.router import Route
from devenv.http.server.turns import Turns
from devenv.traces.ids import parse_trace_id
from devenv.traces.times import parse_bool, parse_rfc3339

T = TypeVar("T")

_DEFAULT_KIND = "internal"


class V3Api:
    """The handlers; ``turns`` is the loop's time."""

    def __init__(self, store: Store, turns: Turns) -> None:
        self._store = store
        self._turns = turns

    def routes(self) -> list[Route]:
        """Return all paths of the dialect."""
        return [
            Route("GET", "/api/v3/services", self.services),
            Route("GET", "/api/v3/operations", self.operations),
            Route("GET", "/api/v3/traces", self.traces),
            Route("GET", "/api/v3/traces/{id}", self.trace),
            Route("GET", "/api/v3/trace-summaries", self.summaries),
        ]

    def services(self, request: HttpRequest) -> Response:  # noqa: ARG002 (the handler's signature)
        """Return the names of all services."""
        return Response.json({"services": sorted(self._store.services)})

    def operations(self, request: HttpRequest) -> Response:
        """Return the span names of a service with their kinds."""
        try:
            parameters = request.parameters()
        except ValueError as error:
            return _failure(400, str(error))
        found = operations(self._store, parameters.first("service"), parameters.first("spanKind", "span_kind"))
        listed = [{"name": name, "spanKind": kind or _DEFAULT_KIND} for name, kind in found]
        return Response.json({"operations": listed})

    def traces(self, request: HttpRequest) -> Response | Awaitable[Response]:
        """Search; one document contains the resources of all traces. No match is 404."""
        try:
            parameters = request.parameters()
            query = v3_query(parameters)
            raw = _flag(parameters, "query.rawTraces", "query.raw_traces")
        except ValueError as error:
            return _failure(400, str(error))
        return find(self._store, query, partial(_traces, raw=raw), self._turns)

    def trace(self, request: HttpRequest) -> Response:
        """Return one trace by an ID in hexadecimal or base64, in the format that is accepted.

        If protobuf and JSON both are, a large trace is in protobuf and a small one in JSON.
        """
        try:
            parameters = request.parameters()
            trace_id = _trace_id(request.arguments["id"])
            # Hints for storages with partitions by time; here they are only checked.
            _time(parameters, "startTime", "start_time")
            _time(parameters, "endTime", "end_time")
            raw = _flag(parameters, "rawTraces", "raw_traces")
        except ValueError as error:
            return _failure(400, str(error))
        trace = self._store.get(trace_id)
        if trace is None:
            return _traces([], raw=raw)
        taken = snapshot(trace, self._store.scopes)
        if raw and _encoded(request.headers.get("accept", ""), taken):
            return Response(200, traces_data(taken), MEDIA_TYPE)
        return _traces([taken], raw=raw)

    def summaries(self, request: HttpRequest) -> Response | Awaitable[Response]:
        """Search and return counts instead of spans. No match is an empty list."""
        try:
            query = v3_query(request.parameters())
        except ValueError as error:
            return _failure(400, str(error))
        return find(self._store, query, summary_list, self._turns)


def _encoded(accept: str, taken: Snapshot) -> bool:
    accepted = [kind.strip() for kind in accept.split(",")]
    return accepted == [MEDIA_TYPE] or (MEDIA_TYPE in accepted and not is_small(taken))


def summary_list(found: Found) -> Response:
    """Return the summaries of traces."""
    return list_response('{"summaries":[', map(_summary, found), "]}", size(found))


def _summary(taken: Snapshot) -> Iterator[str]:
    summary = yield from paused(summarized(taken), "")
    yield dumps(summary_document(summary)).decode("ascii")


def _traces(found: Found, *, raw: bool) -> Response:
    if not found:
        return _failure(404, "No traces found")
    return list_response('{"result":{"resourceSpans":[', traces_documents(found, raw=raw), "]}}", size(found))


def _time(parameters: Parameters, *names: str) -> None:
    name, value = parameters.named(*names)
    if value:
        _parsed(parse_rfc3339, name, value)


def _flag(parameters: Parameters, *names: str) -> bool:
    name, value = parameters.named(*names)
    return bool(value) and _parsed(parse_bool, name, value)


def _parsed(parse: Callable[[str], T], name: str, value: str) -> T:
    try:
        return parse(value)
    except ValueError as error:
        raise ValueError(f"malformed parameter {name}: {error}") from error


def _trace_id(given: str) -> bytes:
    try:
        return parse_trace_id(given)
    except ValueError as error:
        padded = given.replace("-", "+").replace("_", "/").rstrip("=")
        try:
            decoded = base64.b64decode(padded + "=" * (-len(padded) % 4), validate=True)
        except binascii.Error:
            decoded = b""
        if len(decoded) not in {8, 16}:
            raise ValueError(f"malformed parameter trace_id: {error}") from error
        return decoded.rjust(16, b"\0")
