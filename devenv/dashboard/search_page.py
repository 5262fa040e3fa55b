"""``/search``: the form, and the traces that it finds."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from devenv.analysis.percentiles import percentile
from devenv.analysis.summary import summarize
from devenv.dashboard.layout import Frame, page
from devenv.dashboard.search_form import MAX_LIMIT, Form, form_markup
from devenv.dashboard.search_list import trace_list
from devenv.dashboard.services import ServiceMarks
from devenv.drawing.markup import Markup, element, join
from devenv.drawing.scatter import PlotPoint, scatter
from devenv.drawing.words import counted, show_count, show_duration, show_time
from devenv.http.server import HttpRequest, Response
from devenv.model.trace import TraceSummary
from devenv.traces.filters.expression import FilterError
from devenv.traces.ids import parse_trace_id
from devenv.traces.source import Selection, TraceSource

_FRAME = Frame("Traces", "/search")
_ORDERS: dict[str, Callable[[TraceSummary], int]] = {
    "longest": lambda summary: -summary.duration_ns,
    "shortest": lambda summary: summary.duration_ns,
    "spans": lambda summary: -summary.spans,
}


class SearchPage:
    """The handler."""

    def __init__(self, source: TraceSource, now: Callable[[], int]) -> None:
        self._source = source
        self._now = now

    async def __call__(self, request: HttpRequest) -> Response:
        """The form, and the results if a search was requested."""
        try:
            form = Form.read(request.parameters())
        except ValueError as error:
            return page(_FRAME, element("h1", "Traces"), _trouble(error), status=400)
        wrong_filter: FilterError | None = None
        try:
            content, status = await self._results(form), 200
        except FilterError as error:
            wrong_filter, content, status = error, None, 400
        except ValueError as error:
            content, status = _trouble(error), 400
        return page(
            _FRAME,
            element("h1", "Traces"),
            await self._form(form, wrong_filter),
            content,
            status=status,
        )

    async def _form(self, form: Form, wrong_filter: FilterError | None) -> Markup:
        operations = await self._source.operations(form.service) if form.service else []
        names = sorted({operation.name for operation in operations})
        return form_markup(form, await self._source.services(), names, wrong_filter)

    async def _results(self, form: Form) -> Markup:
        if form.trace_ids:
            return await self._by_ids(form)
        found = await self._source.select(form.query(self._now()))
        limited = len(found.traces) >= int(form.limit)
        return join(_looked_at(found), await self._found(found.traces, form, limited=limited))

    async def _by_ids(self, form: Form) -> Markup:
        wanted = [parse_trace_id(text).hex() for text in form.trace_ids[:MAX_LIMIT]]
        found = await self._source.traces(wanted)
        note = await self._note([trace_id for trace_id in wanted if trace_id not in found], len(wanted))
        return join(note, await self._found([summarize(trace) for trace in found.values()], form, limited=False))

    async def _found(self, found: list[TraceSummary], form: Form, *, limited: bool) -> Markup:
        """The sentence about the traces, their picture, and their list."""
        if not found:
            return element("p", "No traces match. A wider lookback or fewer criteria may find some.", class_="empty")
        ordered = sorted(found, key=_ORDERS.get(form.sort, lambda summary: -summary.start_ns))
        marks = ServiceMarks(await self._source.services())
        sentence = _answer(found, limited=limited)
        picture = element(
            "figure",
            scatter([_point(summary) for summary in found], sentence, "traces"),
            element(
                "figcaption",
                "Duration by start, UTC. A disc is a trace without errors, a cross one with errors.",
            ),
        )
        return join(element("p", sentence, class_="answer"), picture, trace_list(ordered, marks, "traces"))

    async def _note(self, missing: list[str], wanted: int) -> Markup | None:
        if not missing:
            return None
        text = f"{len(missing)} of {counted(wanted, 'trace')} not found"
        if await self._source.reports_evictions():
            evicted = len(await self._source.evicted(missing))
            text += f"; {evicted} of them {'was' if evicted == 1 else 'were'} evicted to save memory"
        return element("p", f"{text}.", class_="note")


def _trouble(error: ValueError) -> Markup:
    return element("p", str(error), class_="note bad", role="alert")


def _answer(found: list[TraceSummary], *, limited: bool) -> str:
    """How many traces, how many of them failed, and how long they take."""
    failed = sum(1 for summary in found if summary.errors)
    durations = sorted(summary.duration_ns for summary in found)
    known = {name: percentile(durations, quantile) for name, quantile in (("p50", 0.5), ("p99", 0.99))}
    figures = [f"{name} {show_duration(value)}" for name, value in known.items() if value is not None]
    figures.append(f"the longest {show_duration(durations[-1])}")
    count = (
        f"The {show_count(len(found))} newest traces" if limited and len(found) > 1 else counted(len(found), "trace")
    )
    errors = f"{show_count(failed)} with errors" if failed else "none with errors"
    return f"{count}, {errors}; {', '.join(figures)}."


def _point(summary: TraceSummary) -> PlotPoint:
    errors = f", {counted(summary.errors, 'error')}" if summary.errors else ""
    took = show_duration(summary.duration_ns)
    return PlotPoint(
        time_ns=summary.start_ns,
        duration_ns=summary.duration_ns,
        size=summary.spans,
        failed=summary.errors > 0,
        link=f"/trace/{quote(summary.trace_id)}",
        title=f"{summary.title or 'no root span'}, {took}{errors}, {show_time(summary.start_ns)}",
    )


def _looked_at(found: Selection) -> Markup | None:
    if found.looked_at is None:
        return None
    older = (
        ", the newest ones; older ones may match" if found.more else ", which is all that the trace backend returned"
    )
    return element("p", f"{counted(found.looked_at, 'trace')} looked at{older}.", class_="note info")
