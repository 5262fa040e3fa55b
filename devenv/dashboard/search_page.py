"""``/search``: the form, and the traces that it finds."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from devenv.analysis.summary import summarize
from devenv.dashboard.layout import Colours, page
from devenv.dashboard.markup import Markup, element, join
from devenv.dashboard.search_form import MAX_LIMIT, Form, form_markup
from devenv.dashboard.units import show_duration, show_time
from devenv.http.server import HttpRequest, Response
from devenv.model.counts import plural
from devenv.model.trace import TraceSummary
from devenv.traces.filters.expression import FilterError
from devenv.traces.ids import parse_trace_id
from devenv.traces.source import Selection, TraceSource


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
            return page("Search", element("p", str(error), class_="bad"), status=400)
        wrong_filter: FilterError | None = None
        try:
            content, status = await self._results(form), 200
        except FilterError as error:
            wrong_filter, content, status = error, None, 400
        except ValueError as error:
            content, status = element("p", str(error), class_="bad", role="alert"), 400
        return page("Search", element("h1", "Traces"), await self._form(form, wrong_filter), content, status=status)

    async def _form(self, form: Form, wrong_filter: FilterError | None) -> Markup:
        operations = await self._source.operations(form.service) if form.service else []
        names = sorted({operation.name for operation in operations})
        return form_markup(form, await self._source.services(), names, wrong_filter)

    async def _results(self, form: Form) -> Markup | None:
        if form.trace_ids:
            return await self._by_ids(form)
        if form.service or form.where.strip():
            found = await self._source.select(form.query(self._now()))
            return join(_looked_at(found), _list(found.traces, form))
        return None

    async def _by_ids(self, form: Form) -> Markup:
        wanted = [parse_trace_id(text).hex() for text in form.trace_ids[:MAX_LIMIT]]
        found = await self._source.traces(wanted)
        note = await self._note([trace_id for trace_id in wanted if trace_id not in found], len(wanted))
        return join(note, _list([summarize(trace) for trace in found.values()], form))

    async def _note(self, missing: list[str], wanted: int) -> Markup | None:
        if not missing:
            return None
        text = f"{len(missing)} of {plural(wanted, 'trace')} not found"
        if await self._source.reports_evictions():
            evicted = len(await self._source.evicted(missing))
            text += f"; {evicted} of them {'was' if evicted == 1 else 'were'} evicted to save memory"
        return element("p", f"{text}.", class_="note")


def _looked_at(found: Selection) -> Markup | None:
    if found.looked_at is None:
        return None
    older = (
        ", the newest ones; older ones may match" if found.more else ", which is all that the trace backend returned"
    )
    return element("p", f"{plural(found.looked_at, 'trace')} looked at{older}.", class_="note")


def _list(found: list[TraceSummary], form: Form) -> Markup:
    if not found:
        return element("p", "No traces match. A wider lookback or fewer criteria may find some.", class_="note")
    keys: dict[str, Callable[[TraceSummary], int]] = {
        "longest": lambda summary: -summary.duration_ns,
        "shortest": lambda summary: summary.duration_ns,
        "spans": lambda summary: -summary.spans,
    }
    ordered = sorted(found, key=keys.get(form.sort, lambda summary: -summary.start_ns))
    longest = max(summary.duration_ns for summary in found)
    colours = Colours()
    cards = (_card(summary, longest, colours) for summary in ordered)
    return join(element("p", plural(len(found), "trace"), class_="soft"), *cards)


def _card(summary: TraceSummary, longest: int, colours: Colours) -> Markup:
    root = f"{summary.root_service}: {summary.root_operation}" if summary.root_service else "(no root span)"
    services = sorted(summary.services)
    main = colours.of(summary.root_service or next((name for name, _, _ in services), ""))
    tags = (element("span", f"{name} ({spans})", class_=f"tag {colours.of(name)}") for name, spans, _ in services)
    troubles = join(
        element("span", f" {plural(summary.errors, 'error')}", class_="bad") if summary.errors else None,
        element("span", f" {plural(summary.orphans, 'orphan span')}", class_="warn") if summary.orphans else None,
    )
    return element(
        "a",
        element(
            "div",
            element("strong", root),
            element("span", show_duration(summary.duration_ns), class_="mono"),
            class_="row",
        ),
        _bar(summary.duration_ns, longest, main),
        element(
            "div",
            element(
                "span", plural(summary.spans, "span"), troubles, Markup(" "), element("code", summary.trace_id[:16])
            ),
            element("span", show_time(summary.start_ns), class_="soft"),
            class_="row",
        ),
        *tags,
        href=f"/trace/{quote(summary.trace_id)}",
        class_="trace",
    )


def _bar(value: int, whole: int, colour: str) -> Markup:
    part = f"{max(0.3, 100 * value / max(whole, 1)):.2f}%"
    return element(
        "svg",
        element("rect", width="100%", height="6", rx="3", class_="back"),
        element("rect", width=part, height="6", rx="3", class_=colour),
        class_="bar",
        aria_hidden="true",
    )
