"""Jaeger's legacy query API under ``/api``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from devenv.backend.api.envelopes import legacy as _envelope
from devenv.backend.api.envelopes import legacy_failure as _failure
from devenv.backend.api.legacy_json import traces_json
from devenv.backend.api.params import BadParameter, dependency_window, legacy_query, legacy_raw
from devenv.backend.api.streaming import list_response
from devenv.backend.api.transform import MAX_BYTES, transform
from devenv.backend.large_bodies import Busy, LargeBodies
from devenv.backend.query.dependencies import Edges, dependencies
from devenv.backend.query.lookups import Found, FoundTraces, find, operations, size
from devenv.backend.store.decoding import snapshot
from devenv.backend.store.store import Store
from devenv.http.server.message import HttpRequest, Response, dumps
from devenv.http.server.router import Route
from devenv.otlp.wire import TooLarge, Undecodable
from devenv.traces.ids import parse_trace_id, show_trace_id

_OPENING = '{"data":['


class LegacyApi:
    """The handlers; ``now`` returns wall time in ns, ``large`` has the queues for large bodies."""

    def __init__(self, store: Store, now: Callable[[], int], large: LargeBodies) -> None:
        self._store = store
        self._now = now
        self._large = large

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
            Route("POST", "/api/archive/{id}", self.archive),
        ]

    def services(self, request: HttpRequest) -> Response:  # noqa: ARG002 (the handler's signature)
        """Return the names of all services."""
        names = sorted(self._store.services)
        return _envelope(names, len(names))

    def operation_names(self, request: HttpRequest) -> Response:
        """Return the distinct span names of a service."""
        names = sorted({name for name, _ in operations(self._store, request.arguments["service"])})
        return _envelope(names, len(names))

    def operations(self, request: HttpRequest) -> Response:
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

    def traces(self, request: HttpRequest) -> Response | Awaitable[Response]:
        """Search, or look up several IDs."""
        try:
            parameters = request.parameters()
            answer = _answer(raw=legacy_raw(parameters))
            ids = [parse_trace_id(value) for value in parameters.every("traceID")]
            if ids:
                return self._by_ids(ids, answer)
            query = legacy_query(parameters, self._now())
        except ValueError as error:
            return _failure(400, str(error))
        return find(self._store, query, answer, self._large.turns)

    def _by_ids(self, ids: list[bytes], answer: _Answer) -> Response:
        found = FoundTraces(self._store)
        errors = []
        for trace_id in ids:
            trace = self._store.get(trace_id)
            if trace is None:
                errors.append({"msg": "trace not found", "traceID": show_trace_id(trace_id)})
            else:
                found.add(trace)
        return answer(found, errors or None)

    def trace(self, request: HttpRequest) -> Response:
        """Return one trace."""
        try:
            answer = _answer(raw=legacy_raw(request.parameters()))
            trace = self._store.get(parse_trace_id(request.arguments["id"]))
        except ValueError as error:
            return _failure(400, str(error))
        if trace is None:
            return _failure(404, "trace not found")
        return answer([snapshot(trace, self._store.scopes)])

    async def dependencies(self, request: HttpRequest) -> Response:
        """Return the calls between services."""
        try:
            parameters = request.parameters()
            window = dependency_window(parameters, self._now())
        except BadParameter as error:
            return _failure(400, str(error))
        edges: Edges = {}
        turn = self._large.turns.start()
        await turn.pause()
        for step in dependencies(self._store, *window):
            if step is None:
                await turn.pause()
            else:
                edges = step
        service = parameters.first("service")
        links = [
            {"parent": parent, "child": child, "callCount": edge.calls}
            for (parent, child), edge in sorted(edges.items())
            if service in {"", parent, child}
        ]
        return _envelope(links)

    def archive(self, request: HttpRequest) -> Response:
        """Refuse, as a Jaeger does that has no second storage for archived traces."""
        try:
            parse_trace_id(request.arguments["id"])
        except ValueError as error:
            return _failure(400, str(error))
        return _failure(500, "archive span storage was not configured")

    async def transform(self, request: HttpRequest) -> Response:
        """Convert OTLP JSON to Jaeger's JSON; nothing is stored."""
        if len(request.body) > MAX_BYTES:
            return _failure(413, f"the body is larger than {MAX_BYTES} bytes")
        try:
            async with self._large.opened(request.body, "") as body:
                found = await transform(body, self._large.turns.start())
        except Undecodable as error:
            return _failure(400, f"cannot unmarshal OTLP : {error}")
        except TooLarge as error:
            return _failure(413, str(error))
        except Busy:
            response = _failure(503, "too many large requests at the same time")
            response.headers = (("Retry-After", "1"),)
            return response
        return _answer(raw=False)(found)


class _Answer(Protocol):
    def __call__(self, found: Found, errors: list[dict[str, Any]] | None = None) -> Response: ...


def _answer(*, raw: bool) -> _Answer:
    """Return what makes an answer of traces; they are adjusted as Jaeger adjusts them, unless they are to be raw."""

    def answer(found: Found, errors: list[dict[str, Any]] | None = None) -> Response:
        return list_response(_OPENING, traces_json(found, raw=raw), _closing(errors), size(found))

    return answer


def _closing(errors: list[dict[str, Any]] | None) -> str:
    return f'],"total":0,"limit":0,"offset":0,"errors":{dumps(errors).decode("ascii")}}}'
