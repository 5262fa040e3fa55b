"""The client of a trace backend: any Jaeger since 2.0, or devenv's embedded one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import quote, urlencode

from devenv.analysis.summary import summarize
from devenv.errors import BackendUnavailable
from devenv.model.span import Span
from devenv.model.trace import Operation, ServiceDependency, Trace, TraceSummary, collect
from devenv.otlp import json_spans
from devenv.traces import jaeger_json
from devenv.traces.background import LARGE, in_background
from devenv.traces.dialect import (
    EVICTED_PATH,
    FILTERED_PATH,
    METRICS_PATH,
    DialectCapabilities,
    json_object,
    probe,
)
from devenv.traces.http import Authorized, BackendResponse, HttpClient, RequestSender, TransportError
from devenv.traces.links import UiLinks
from devenv.traces.logs.json_form import log_parameters, parse_record
from devenv.traces.logs.source import LOGS_PATH, LogQuery, LogSelection
from devenv.traces.query import Query, legacy_parameters, newest_first, v3_parameters
from devenv.traces.source import Selection
from devenv.traces.summary import parse_summary

if TYPE_CHECKING:
    from devenv.traces.filtered import Looked

T = TypeVar("T")

BATCH = 200
"""Trace IDs in one request of the legacy dialect: a URL of about 2 kB."""

_RAW = "raw_traces=true&query.raw_traces=true"
"""Requests spans as they were stored from v3; the parameter was renamed between versions."""


# devenv's own backend chooses JSON for a small trace: then protobuf is not imported, which takes longer than the rest.
_PROTOBUF_OR_JSON = "application/x-protobuf, application/json"


class _TooDeep(BackendUnavailable):
    """The backend rejected a search because of its limit."""


class TraceClient:
    """Reads traces over HTTP; implements :class:`~devenv.traces.source.TraceSource`.

    The first call finds out which of Jaeger's dialects the server provides. Every method raises
    :class:`~devenv.errors.BackendUnavailable` if the server does not respond as Jaeger does.

    Args:
        query_url: base URL of the query API.
        ui_url: base URL of the pages, if it differs.
        timeout: seconds for one request.
        connections: maximum number of concurrent requests.
        sender: returns a client for a base URL instead of the one that uses httpx.
        token: bearer token of a backend that is not open to every user.
    """

    def __init__(
        self,
        query_url: str,
        *,
        ui_url: str | None = None,
        timeout: float = 10.0,
        connections: int = 8,
        sender: Callable[[str], RequestSender] | None = None,
        token: str = "",
    ) -> None:
        self.query_url = query_url.rstrip("/")
        self.ui = UiLinks(ui_url or query_url)
        self._http: RequestSender = (
            sender(self.query_url) if sender else HttpClient(self.query_url, timeout=timeout, connections=connections)
        )
        if token:
            self._http = Authorized(self._http, token)
        self._found: DialectCapabilities | None = None
        self._depth: int | None = None  # the limit that the server accepted after it rejected a higher one

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def probe(self) -> DialectCapabilities:
        """What the server provides; requested once."""
        if self._found is None:
            try:
                found = await probe(self._http)
            except TransportError as error:
                raise self._unavailable(str(error)) from error
            if not found.any:
                raise self._unavailable("it does not provide a Jaeger query API")
            self._found = found
        return self._found

    async def services(self) -> list[str]:
        """Names of all services that have spans, sorted."""
        if (await self.probe()).v3:
            found = (await self._get("/api/v3/services")).get("services")
        else:
            found = (await self._get("/api/services")).get("data")
        return sorted(found or ())

    async def operations(self, service: str) -> list[Operation]:
        """Span names of a service."""
        name = quote(service, safe="")
        if (await self.probe()).v3:
            found = (await self._get(f"/api/v3/operations?service={name}")).get("operations")
        else:
            found = (await self._get(f"/api/operations?service={name}")).get("data")
        return [Operation(item.get("name", ""), item.get("spanKind", "").lower()) for item in found or ()]

    async def search(self, query: Query) -> list[TraceSummary]:
        """Traces that match, newest first."""
        if query.where is not None:
            return (await self.select(query)).traces
        if not (await self.probe()).summaries:
            return [summarize(trace) for trace in await self.find(query)]
        answers = await asyncio.gather(*(self._summaries(each) for each in query.widened()))
        found = {summary.trace_id: summary for answer in answers for summary in answer}
        return newest_first(query, found.values(), lambda each: each.errors > 0)

    async def select(self, query: Query) -> Selection:
        """As :meth:`search`, with how many traces were looked at, if the server does not know filters.

        Raises:
            FilterError: If the filter asks for what such a server does not return.
        """
        if query.where is None:
            return Selection(await self.search(query))
        found = await self._select_there(query)
        if found is not None:
            return Selection(found)
        looked = await self._look(query)
        return Selection(list(map(summarize, looked.traces)), looked.looked_at, looked.more)

    async def find(self, query: Query) -> list[Trace]:
        """Traces that match, with all their spans, newest first.

        Before 2.19, Jaeger does not accept attributes in v3 searches. Hence the legacy dialect if both are available.
        """
        if query.where is not None:
            found_there = await self._select_there(query)
            if found_there is None:
                return (await self._look(query)).traces
            whole = await self.traces(summary.trace_id for summary in found_there)
            return [whole[summary.trace_id] for summary in found_there if summary.trace_id in whole]
        if (await self.probe()).legacy:
            services = [query.service] if query.service else await self.services()
            searches = [self._find_legacy(each, service) for each in query.widened() for service in services]
            answers = await asyncio.gather(*searches)
            found = await in_background(lambda: collect(self._legacy_spans(*answers)))
        else:
            found = collect(
                span
                for answer in await asyncio.gather(*(self._find_v3(each) for each in query.widened()))
                for span in answer
            )
        return newest_first(query, found, lambda each: any(span.is_error for span in each.spans))

    async def trace(self, trace_id: str) -> Trace | None:
        """One trace; ``None`` if the server does not have it."""
        return (await self._one(trace_id)).get(trace_id.lower().zfill(32))

    async def traces(self, trace_ids: Iterable[str]) -> dict[str, Trace]:
        """Those of the traces that the server has, by ID; requested in batches, several at a time."""
        wanted = list(dict.fromkeys(trace_id.lower() for trace_id in trace_ids))
        if (await self.probe()).legacy:
            batches = [wanted[start : start + BATCH] for start in range(0, len(wanted), BATCH)]
            answers = await asyncio.gather(*(self._batch(batch) for batch in batches))
        else:
            answers = await asyncio.gather(*(self._one(trace_id) for trace_id in wanted))
        return {trace_id: trace for answer in answers for trace_id, trace in answer.items()}

    async def otlp_json(self, trace_id: str) -> list[dict[str, Any]]:
        """One trace as it is stored: OTLP JSON ``resourceSpans``; empty if the server does not have it.

        Raises:
            BackendUnavailable: If the server does not provide API v3 (Jaeger 2 does).
        """
        if not (await self.probe()).v3:
            raise self._unavailable("it does not provide OTLP JSON (requires Jaeger 2)")
        answer = await self._get(f"/api/v3/traces/{quote(trace_id, safe='')}?{_RAW}")
        return self._read(lambda: list((answer.get("result") or {}).get("resourceSpans") or ()))

    async def dependencies(self, end_ns: int, lookback_ns: int) -> list[ServiceDependency]:
        """Calls between services in the ``lookback_ns`` before ``end_ns``; only the legacy dialect provides them."""
        fields = urlencode({"endTs": end_ns // 1_000_000, "lookback": max(lookback_ns // 1_000_000, 1)})
        answer = await self._get(f"/api/dependencies?{fields}")
        return self._read(
            lambda: [
                ServiceDependency(item["parent"], item["child"], int(item["callCount"]))
                for item in answer.get("data") or ()
            ]
        )

    async def logs(self, query: LogQuery) -> LogSelection:
        """The newest log records that match; of a Jaeger, none."""
        if not (await self.probe()).embedded:
            return LogSelection([])
        answer = await self._get(f"{LOGS_PATH}?{log_parameters(query)}")
        records = self._read(lambda: list(map(parse_record, answer.get("records") or ())))
        return LogSelection(records, str(answer.get("next") or ""), int(answer.get("arrived") or 0))

    async def reports_evictions(self) -> bool:
        """Whether the server reports which traces it evicted: the embedded backend does, Jaeger does not."""
        return (await self.probe()).embedded

    async def evicted(self, trace_ids: Sequence[str]) -> frozenset[str]:
        """Those of the traces that the server evicted; empty for Jaeger, which does not report it."""
        if not await self.reports_evictions():
            return frozenset()
        gone: set[str] = set()
        for start in range(0, len(trace_ids), BATCH):
            fields = urlencode([("traceID", trace_id) for trace_id in trace_ids[start : start + BATCH]])
            gone.update((await self._get(f"{EVICTED_PATH}?{fields}")).get("evicted") or ())
        return frozenset(gone)

    async def metrics(self, service: str | None = None) -> dict[str, Any] | None:
        """The metrics that services sent, as devenv's own backend has them; ``None`` if it is another one.

        Args:
            service: only this one's.
        """
        if not (await self.probe()).embedded:
            return None
        fields = "" if service is None else f"?{urlencode({'service': service})}"
        answer = await self._get(f"{METRICS_PATH}{fields}")
        return answer if "series" in answer else None

    async def _select_there(self, query: Query) -> list[TraceSummary] | None:
        """What devenv's own backend finds by a filter; ``None`` if it is another one, or an older version."""
        if query.where is None or not (await self.probe()).embedded:
            return None
        from devenv.traces.filters.text_format import text_of  # only a search by a filter needs it

        where = urlencode({"where": text_of(query.where)})
        searches = (self._get(f"{FILTERED_PATH}?{v3_parameters(each)}&{where}") for each in query.widened())
        answers = await asyncio.gather(*searches)
        if not all("summaries" in answer for answer in answers):
            return None
        listed = [item for answer in answers for item in answer["summaries"]]
        found = {summary.trace_id: summary for summary in self._read(lambda: list(map(parse_summary, listed)))}
        return newest_first(query, found.values(), lambda each: each.errors > 0)

    async def _look(self, query: Query) -> Looked:
        from devenv.traces.filtered import MOST, asked, filtered

        wide = asked(query, MOST)
        found = await self.find(wide)
        most = min(MOST, self._depth or MOST)
        return await in_background(lambda: filtered(query, found, most))

    async def _summaries(self, query: Query) -> list[TraceSummary]:
        answer = await self._get_searched(query, lambda each: f"/api/v3/trace-summaries?{v3_parameters(each)}")
        return self._read(lambda: [parse_summary(item) for item in answer.get("summaries") or ()])

    async def _find_legacy(self, query: Query, service: str) -> dict[str, Any]:
        return await self._get_searched(query, lambda each: f"/api/traces?{legacy_parameters(each, service)}&raw=true")

    async def _find_v3(self, query: Query) -> list[Span]:
        return self._otlp_spans(
            await self._get_searched(query, lambda each: f"/api/v3/traces?{v3_parameters(each)}&{_RAW}")
        )

    async def _batch(self, trace_ids: Sequence[str]) -> dict[str, Trace]:
        fields = urlencode([("traceID", trace_id) for trace_id in trace_ids])
        spans = self._legacy_spans(await self._get(f"/api/traces?{fields}&raw=true"))
        return _by_id(collect(spans))

    async def _one(self, trace_id: str) -> dict[str, Trace]:
        name = quote(trace_id, safe="")
        parse: Callable[[Mapping[str, Any]], list[Span]]
        found = await self.probe()
        if found.embedded and found.v3:
            return await self._one_encoded(f"/api/v3/traces/{name}?{_RAW}")
        if found.v3:
            answer, parse = await self._get(f"/api/v3/traces/{name}?{_RAW}"), self._otlp_spans
        else:
            answer, parse = await self._get(f"/api/traces/{name}?raw=true"), self._legacy_spans
        return _by_id(await in_background(lambda: collect(parse(answer))))

    async def _one_encoded(self, path: str) -> dict[str, Trace]:
        """The trace, in protobuf if it is large: a tenth of the work of JSON, for both sides."""
        response = await self._request(path, {"accept": _PROTOBUF_OR_JSON})
        if response.status != 200 or response.body.startswith(b"{"):
            answer = await self._object(response, path)
            return _by_id(await in_background(lambda: collect(self._otlp_spans(answer))))
        from devenv.otlp import proto_spans

        return _by_id(
            await in_background(lambda: collect(self._read(lambda: list(proto_spans.parse_spans(response.body)))))
        )

    def _otlp_spans(self, answer: Mapping[str, Any]) -> list[Span]:
        return self._read(lambda: list(json_spans.parse_spans(answer.get("result") or {})))

    def _legacy_spans(self, *answers: Mapping[str, Any]) -> list[Span]:
        return self._read(
            lambda: [span for trace in jaeger_json.traces_in(answers) for span in jaeger_json.parse_spans(trace)]
        )

    async def _get_searched(self, query: Query, path: Callable[[Query], str]) -> dict[str, Any]:
        """The response to a search; Jaeger's memory store rejects a limit above the number of traces that it keeps."""
        while True:
            try:
                return await self._get(path(query))
            except _TooDeep:
                if query.limit <= 1:
                    raise
                query = replace(query, limit=query.limit // 2)
                self._depth = query.limit

    async def _get(self, path: str) -> dict[str, Any]:
        """The JSON object at ``path``; an empty one if the server has nothing (404)."""
        return await self._object(await self._request(path), path)

    async def _request(self, path: str, headers: Mapping[str, str] | None = None) -> BackendResponse:
        try:
            return await self._http.request("GET", path, headers=headers)
        except TransportError as error:
            raise self._unavailable(str(error)) from error

    async def _object(self, response: BackendResponse, path: str) -> dict[str, Any]:
        large = len(response.body) >= LARGE
        found = await in_background(lambda: json_object(response)) if large else json_object(response)
        if response.status == 404:
            return {}
        if response.status >= 400 or found is None:
            kind = _TooDeep if b"search depth must be" in response.body else BackendUnavailable
            raise self._unavailable(f"GET {path.partition('?')[0]} answered {response.status}{_reason(response)}", kind)
        return found

    def _read(self, parse: Callable[[], list[T]]) -> list[T]:
        """The result of ``parse``; any error in it means that the response is not in Jaeger's format."""
        try:
            return parse()
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise self._unavailable(f"unexpected response format: {error!r}") from error

    def _unavailable(self, reason: str, kind: type[BackendUnavailable] = BackendUnavailable) -> BackendUnavailable:
        return kind(
            f"trace backend at {self.query_url}: {reason}",
            hint="check with `devenv status` that it is running; "
            "the query API is on port 16686 unless published elsewhere",
            details={"query_url": self.query_url},
        )


def _by_id(traces: Iterable[Trace]) -> dict[str, Trace]:
    return {trace.trace_id: trace for trace in traces}


def _reason(response: BackendResponse) -> str:
    """The text of an error response, shortened."""
    text = response.body[:200].decode(errors="replace").strip()
    return f": {text}" if text else ""
