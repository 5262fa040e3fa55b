"""The search form's fields: read from the URL, converted to a query, and shown again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field

from devenv.drawing.markup import Child, Markup, element
from devenv.drawing.shapes import shape
from devenv.http.server.message import Parameters
from devenv.traces.filters.expression import FilterError
from devenv.traces.filters.text_form import parse
from devenv.traces.filters.text_tokens import pointed
from devenv.traces.query import Query
from devenv.traces.times import parse_duration, parse_integer

_LOOKBACKS = ("5m", "15m", "1h", "3h", "6h", "12h", "24h", "48h", "168h")
_SORTS = {"recent": "most recent", "longest": "longest", "shortest": "shortest", "spans": "most spans"}
_DEFAULT_LIMIT = 20
MAX_LIMIT = 1500


class BadForm(ValueError):
    """A field of the form is invalid; the message is for the user."""


@dataclass(slots=True)
class Form:
    """The fields as entered, to show them again."""

    service: str = ""
    operation: str = ""
    tags: str = ""
    lookback: str = "1h"
    shortest: str = ""
    longest: str = ""
    limit: str = str(_DEFAULT_LIMIT)
    sort: str = "recent"
    where: str = ""
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
            where=parameters.first("where"),
            start=parameters.first("start"),
            end=parameters.first("end"),
            trace_ids=parameters.every("traceID"),
        )

    @property
    def has_fields(self) -> bool:
        """Whether a field beside the filter is filled in, so that they are shown."""
        usual = Form(where=self.where, start=self.start, end=self.end, trace_ids=self.trace_ids)
        return self != usual

    def query(self, now: int) -> Query:
        """The search that the form describes.

        Raises:
            BadForm: If a field is malformed.
            FilterError: If the filter is malformed.
        """
        end = _parse("end", parse_integer, self.end) * 1000 if self.end else now
        if self.start:
            start = _parse("start", parse_integer, self.start) * 1000
        else:
            start = end - _parse("lookback", parse_duration, _hours(self.lookback))
        limit = _parse("limit", parse_integer, self.limit)
        if not 0 < limit <= MAX_LIMIT:
            raise BadForm(f"limit: expected a number from 1 to {MAX_LIMIT}")
        return Query(
            service=self.service or None,
            operation=self.operation or None,
            start_ns=start,
            end_ns=end,
            min_duration_ns=_parse("min duration", parse_duration, self.shortest) if self.shortest else None,
            max_duration_ns=_parse("max duration", parse_duration, self.longest) if self.longest else None,
            tags=parse_tags(self.tags),
            limit=limit,
            where=parse(self.where) if self.where.strip() else None,
        )


def _parse(name: str, parse: Callable[[str], int], value: str) -> int:
    try:
        return parse(value.strip())
    except ValueError as error:
        raise BadForm(f"{name}: {error}") from error


def _hours(lookback: str) -> str:
    # Go's durations have no units for the days and weeks of Jaeger's UI; "custom" comes with a start.
    for unit, hours in (("d", 24), ("w", 168)):
        if lookback.endswith(unit) and lookback[:-1].isdecimal():
            return f"{int(lookback[:-1][:6]) * hours}h"
    return lookback


def parse_tags(text: str) -> dict[str, str]:
    """``key=value`` pairs separated by blanks, values in quotes if they contain blanks, or a JSON map.

    Raises:
        BadForm: If it is neither.
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


def form_markup(
    form: Form, services: list[str], operations: list[str], wrong_filter: FilterError | None = None
) -> Markup:
    """The form with its fields as entered; ``services`` and ``operations`` are suggested."""
    fields = element(
        "div",
        _field("Service", _select("service", services, form.service)),
        _field("Operation", _input("operation", form.operation, "all", list_="operations")),
        element("datalist", *(element("option", value=name) for name in operations), id="operations"),
        _field("Tags", _input("tags", form.tags, "error=true http.route=/login")),
        _field("Lookback", _select("lookback", _LOOKBACKS, form.lookback)),
        _field("Min duration", _input("minDuration", form.shortest, "e.g. 1.2ms")),
        _field("Max duration", _input("maxDuration", form.longest, "e.g. 1s")),
        _field("Limit", _input("limit", form.limit, "", inputmode="numeric")),
        _field("Order", _select("sort", _SORTS, form.sort)),
    )
    return element(
        "form",
        _where(form, wrong_filter),
        element("details", element("summary", "Fields"), fields, open="" if form.has_fields else None),
        method="get",
        action="/search",
        role="search",
    )


def _where(form: Form, wrong: FilterError | None) -> Markup:
    """The field of the filter, with what is wrong with it and where."""
    control = _input(
        "where",
        form.where,
        "status = error or duration > 200ms",
        aria_invalid="true" if wrong else None,
        aria_describedby="where-error" if wrong else None,
        spellcheck="false",
        class_="mono",
    )
    button = element("button", "Find traces", type="submit")
    line = element("div", element("label", "Where", control), button, class_="find")
    if wrong is None:
        return line
    lines = "\n".join(pointed(form.where, wrong.column)) if wrong.column else ""
    trouble = element(
        "div",
        element("p", shape("bad"), f"{wrong}{f'; {wrong.hint}' if wrong.hint else ''}", class_="bad"),
        element("pre", lines) if lines else None,
        id="where-error",
        role="alert",
    )
    return element("div", line, trouble, class_="wide")


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
