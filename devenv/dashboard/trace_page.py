"""``/trace/<id>``: one trace as a waterfall."""

from __future__ import annotations

from devenv.dashboard.large_trace import EncodedTraces, LargeTraces
from devenv.dashboard.layout import long_page, page
from devenv.dashboard.markup import element
from devenv.dashboard.waterfall_view import WaterfallView
from devenv.http.server import HttpRequest, Response
from devenv.traces.ids import parse_trace_id
from devenv.traces.source import TraceSource
from devenv.traces.times import parse_integer

_ROWS = 1000


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
            return page("Trace", element("h1", "Invalid trace address"), element("p", str(error)), status=400)
        limit = max(limit, 1)
        if self._large is not None and (large := self._large.page(trace_id, limit)) is not None:
            return large
        trace = await self._source.trace(trace_id)
        if trace is None:
            return await self._missing(trace_id)
        view = WaterfallView(trace, limit)
        return long_page(view.title, view.heading(), view.lines())

    async def _missing(self, trace_id: str) -> Response:
        if await self._source.evicted([trace_id]):
            reason = "The trace was evicted to make room for newer ones."
        else:
            reason = "No span of this trace has arrived. It may still be in transit, not sampled, or sent elsewhere."
        heading = element("h1", "Trace ", element("code", trace_id), " not found")
        return page("Trace", heading, element("p", reason, class_="note"), status=404)
