"""``/trace/<id>``: one trace as a waterfall."""

from __future__ import annotations

from devenv.dashboard.large_trace import EncodedTraces, LargeTraces
from devenv.dashboard.layout import Frame, long_page, page
from devenv.dashboard.log_list import SHOWN, log_lines, log_list
from devenv.dashboard.services import ServiceMarks
from devenv.dashboard.waterfall_view import WaterfallView
from devenv.drawing.markup import element
from devenv.http.server import HttpRequest, Response
from devenv.traces.ids import parse_trace_id
from devenv.traces.logs.source import NO_LOGS, LogQuery, LogSelection, LogSource
from devenv.traces.source import TraceSource
from devenv.traces.times import parse_integer

_ROWS = 1000
_FRAME = Frame("Trace", "/search", wide=True)


class TracePage:
    """The handler."""

    def __init__(self, source: TraceSource) -> None:
        self._source = source
        self._large = LargeTraces(source) if isinstance(source, EncodedTraces) else None

    async def __call__(self, request: HttpRequest) -> Response:
        """The trace, or the reason why it is not available."""
        given = request.arguments["id"]
        try:
            trace_id = parse_trace_id(given).hex()
            limit = parse_integer(request.parameters().first("spans") or str(_ROWS))
        except ValueError as error:
            return page(_FRAME, element("h1", "Invalid trace address"), element("p", str(error)), status=400)
        limit = max(limit, 1)
        logs = await self._logs(trace_id)
        services = await self._source.services()
        if self._large is not None and (large := self._large.page(trace_id, limit, logs, services)) is not None:
            return large
        trace = await self._source.trace(trace_id)
        if trace is None:
            return await self._missing(trace_id, logs, services)
        view = WaterfallView(trace, limit, logs, services)
        return long_page(Frame(view.title, "/search", wide=True), view.pieces())

    async def _logs(self, trace_id: str) -> LogSelection:
        if not isinstance(self._source, LogSource):
            return NO_LOGS
        return await self._source.logs(LogQuery(trace_id=trace_id, limit=SHOWN))

    async def _missing(self, trace_id: str, logs: LogSelection, services: list[str]) -> Response:
        if await self._source.evicted([trace_id]):
            reason = "The trace was evicted to make room for newer ones."
        else:
            reason = "No span of this trace has arrived. It may still be in transit, not sampled, or sent elsewhere."
        heading = element("h1", "Trace ", element("code", trace_id), " not found")
        lines = log_lines((), logs.records)
        start_ns = lines[0].time_ns if lines else 0
        listed = element(
            "div", *log_list(lines, start_ns, {}, ServiceMarks(services), older=bool(logs.before)), class_="logs"
        )
        return page(_FRAME, heading, element("p", reason, class_="note"), listed if lines else None, status=404)
