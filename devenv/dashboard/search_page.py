"""``/search``: the form, and the traces that it finds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import quote

from devenv.backend import Store
from devenv.backend.api.ids import parse_trace_id
from devenv.backend.query.lookups import Snapshot, find, operations, snapshots
from devenv.backend.query.summaries import Summary, summarize
from devenv.backend.store.decoding import decode
from devenv.dashboard.layout import Colours, page
from devenv.dashboard.markup import Child, Markup, element, join
from devenv.dashboard.search_form import MAX_LIMIT, Form, form_markup
from devenv.dashboard.units import show_duration, show_time
from devenv.http.server import Request, Response


class SearchPage:
    """The handler."""

    def __init__(self, store: Store, now: Callable[[], int]) -> None:
        self._store = store
        self._now = now

    def __call__(self, request: Request) -> Response | Awaitable[Response]:
        """The form, and the results where something was asked for."""
        try:
            form = Form.read(request.parameters())
        except ValueError as error:
            return page("Search", element("p", str(error), class_="bad"), status=400)
        try:
            if form.trace_ids:
                return self._page(form, self._by_ids(form))
            if form.service:
                query = form.query(self._now())
                return find(self._store, query, lambda found: self._page(form, _results(_summaries(found), form)))
        except ValueError as error:
            return self._page(form, element("p", str(error), class_="bad", role="alert"), status=400)
        return self._page(form)

    def _form(self, form: Form) -> Markup:
        names = sorted({name for name, _ in operations(self._store, form.service)})
        return form_markup(form, sorted(self._store.services), names)

    def _page(self, form: Form, *content: Child, status: int = 200) -> Response:
        return page("Search", element("h1", "Traces"), self._form(form), *content, status=status)

    def _by_ids(self, form: Form) -> Markup:
        wanted = [parse_trace_id(text) for text in form.trace_ids[:MAX_LIMIT]]
        found = snapshots(self._store, wanted)
        missing = len(wanted) - len(found)
        evicted = len(self._store.evicted.among(wanted)) if missing else 0
        note = None
        if missing:
            text = f"{missing} of {len(wanted)} traces are not here, {evicted} of them evicted to save memory."
            note = element("p", text, class_="note")
        return join(note, _results(_summaries(found), form))


def _summaries(found: list[Snapshot]) -> list[Summary]:
    return [summarize(decode(*taken)) for taken in found]


def _results(found: list[Summary], form: Form) -> Markup:
    if form.sort == "longest":
        found.sort(key=lambda summary: summary.start - summary.end)
    elif form.sort == "shortest":
        found.sort(key=lambda summary: summary.end - summary.start)
    elif form.sort == "spans":
        found.sort(key=lambda summary: -summary.spans)
    else:
        found.sort(key=lambda summary: -summary.start)
    if not found:
        return element("p", "No traces match. A wider lookback or fewer criteria may find some.", class_="note")
    longest = max(summary.end - summary.start for summary in found)
    colours = Colours()
    count = f"{len(found)} trace{'s' if len(found) != 1 else ''}"
    return join(element("p", count, class_="soft"), *(_card(summary, longest, colours) for summary in found))


def _card(summary: Summary, longest: int, colours: Colours) -> Markup:
    took = summary.end - summary.start
    root = f"{summary.root_service}: {summary.root_operation}" if summary.root_service else "(no root span)"
    main = colours.of(summary.root_service or next(iter(summary.services), ""))
    tags = (
        element("span", f"{name} ({count.spans})", class_=f"tag {colours.of(name)}")
        for name, count in sorted(summary.services.items())
    )
    troubles = join(
        element("span", f" {summary.errors} errors", class_="bad") if summary.errors else None,
        element("span", f" {summary.orphans} without their parent", class_="warn") if summary.orphans else None,
    )
    return element(
        "a",
        element(
            "div",
            element("strong", root),
            element("span", show_duration(took), class_="mono"),
            class_="row",
        ),
        _bar(took, longest, main),
        element(
            "div",
            element("span", f"{summary.spans} spans", troubles, Markup(" "), element("code", summary.trace_id[:16])),
            element("span", show_time(summary.start), class_="soft"),
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
