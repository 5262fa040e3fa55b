"""``/search``: the form, and the traces that it finds."""

from __future__ import annotations

import json
import shlex
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import quote

from devenv.backend import Store
from devenv.backend.ids import parse_trace_id
from devenv.backend.reading import Snapshot, find, operations, snapshots
from devenv.backend.search import Query
from devenv.backend.spans import decode
from devenv.backend.summary import Summary, summarize
from devenv.backend.times import parse_duration, parse_integer
from devenv.backend.web import Request, Response
from devenv.backend.web.message import Parameters
from devenv.dashboard.layout import Colours, page
from devenv.dashboard.markup import Child, Markup, element, join
from devenv.dashboard.units import show_duration, show_time

_LOOKBACKS = ("5m", "15m", "1h", "3h", "6h", "12h", "24h", "48h", "168h")
_SORTS = {"recent": "most recent", "longest": "longest", "shortest": "shortest", "spans": "most spans"}
_DEFAULT_LIMIT = 20
_MAX_LIMIT = 1500


class BadForm(ValueError):
    """A field of the form cannot be understood; the message is for the person."""


@dataclass(slots=True)
class Form:
    """The fields as given, to show them again."""

    service: str = ""
    operation: str = ""
    tags: str = ""
    lookback: str = "1h"
    shortest: str = ""
    longest: str = ""
    limit: str = str(_DEFAULT_LIMIT)
    sort: str = "recent"
    start: str = ""
    end: str = ""
    trace_ids: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, parameters: Parameters) -> Form:
        """Jaeger UI's parameters; ``tag`` (``key:value``) as in its API."""
        tags = [parameters.first("tags"), *(tag.replace(":", "=", 1) for tag in parameters.every("tag"))]
        return cls(
            service=parameters.first("service"),
            operation="" if parameters.first("operation") == "all" else parameters.first("operation"),
            tags=" ".join(tag for tag in tags if tag),
            lookback=parameters.first("lookback") or "1h",
            shortest=parameters.first("minDuration"),
            longest=parameters.first("maxDuration"),
            limit=parameters.first("limit") or str(_DEFAULT_LIMIT),
            sort=parameters.first("sort") or "recent",
            start=parameters.first("start"),
            end=parameters.first("end"),
            trace_ids=parameters.every("traceID"),
        )

    def query(self, now: int) -> Query:
        """The search that the form describes.

        Raises:
            BadForm: a field is malformed.
        """
        end = _parse("end", parse_integer, self.end) * 1000 if self.end else now
        if self.start:
            start = _parse("start", parse_integer, self.start) * 1000
        else:
            start = end - _parse("lookback", parse_duration, _hours(self.lookback))
        limit = _parse("limit", parse_integer, self.limit)
        if not 0 < limit <= _MAX_LIMIT:
            raise BadForm(f"limit: a number from 1 to {_MAX_LIMIT}")
        return Query(
            service=self.service,
            operation=self.operation,
            start_min=start,
            start_max=end,
            duration_min=_parse("min duration", parse_duration, self.shortest or "0"),
            duration_max=_parse("max duration", parse_duration, self.longest or "0"),
            attributes=parse_tags(self.tags),
            limit=limit,
        )


def _parse(name: str, parse: Callable[[str], int], value: str) -> int:
    try:
        return parse(value.strip())
    except ValueError as error:
        raise BadForm(f"{name}: {error}") from error


def _hours(lookback: str) -> str:
    # Jaeger UI's days and weeks are no units of Go's durations; "custom" comes with a start.
    for unit, hours in (("d", 24), ("w", 168)):
        if lookback.endswith(unit) and lookback[:-1].isdecimal():
            return f"{int(lookback[:-1][:6]) * hours}h"
    return lookback


def parse_tags(text: str) -> dict[str, str]:
    """``key=value`` pairs separated by blanks, values in quotes where they have blanks, or a JSON map.

    Raises:
        BadForm: it is neither.
    """
    text = text.strip()
    try:
        if text.startswith("{"):
            found = json.loads(text)
            return {str(key): value if isinstance(value, str) else json.dumps(value) for key, value in found.items()}
        pairs = [word.partition("=") for word in shlex.split(text)]
    except (ValueError, RecursionError) as error:
        raise BadForm(f"tags: {error}") from error
    if not all(equals for _, equals, _ in pairs):
        raise BadForm("tags: expected key=value, such as http.response.status_code=500 error=true")
    return {key: value for key, _, value in pairs}


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

    def _page(self, form: Form, *content: Child, status: int = 200) -> Response:
        return page("Search", element("h1", "Traces"), self._form(form), *content, status=status)

    def _by_ids(self, form: Form) -> Markup:
        wanted = [parse_trace_id(text) for text in form.trace_ids[:_MAX_LIMIT]]
        found = snapshots(self._store, wanted)
        missing = len(wanted) - len(found)
        evicted = len(self._store.evicted.among(wanted)) if missing else 0
        note = None
        if missing:
            text = f"{missing} of {len(wanted)} traces are not here, {evicted} of them evicted to save memory."
            note = element("p", text, class_="note")
        return join(note, _results(_summaries(found), form))

    def _form(self, form: Form) -> Markup:
        services = sorted(self._store.services)
        names = sorted({name for name, _ in operations(self._store, form.service)})
        return element(
            "form",
            _field("Service", _select("service", services, form.service)),
            _field("Operation", _input("operation", form.operation, "all", list_="operations")),
            element("datalist", *(element("option", value=name) for name in names), id="operations"),
            _field("Tags", _input("tags", form.tags, "error=true http.route=/login")),
            _field("Lookback", _select("lookback", _LOOKBACKS, form.lookback)),
            _field("Min duration", _input("minDuration", form.shortest, "e.g. 1.2ms")),
            _field("Max duration", _input("maxDuration", form.longest, "e.g. 1s")),
            _field("Limit", _input("limit", form.limit, "", inputmode="numeric")),
            _field("Order", _select("sort", _SORTS, form.sort)),
            element("button", "Find traces", type="submit"),
            method="get",
            action="/search",
        )


def _field(label: str, control: Markup) -> Markup:
    return element("label", label, control)


def _input(name: str, value: str, placeholder: str, **more: Child) -> Markup:
    return element("input", name=name, value=value or None, placeholder=placeholder or None, **more)


def _select(name: str, choices: list[str] | tuple[str, ...] | dict[str, str], chosen: str) -> Markup:
    shown = choices if isinstance(choices, dict) else {choice: choice for choice in choices}
    if chosen not in shown:
        shown = {chosen: chosen or "choose…", **shown}
    options = (
        element("option", text, value=choice, selected="" if choice == chosen else None)
        for choice, text in shown.items()
    )
    return element("select", *options, name=name)


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
