"""The table behind the picture."""

from __future__ import annotations

from devenv.dashboard.service_map.calls import ServiceCalls
from devenv.dashboard.service_map.picture import View
from devenv.dashboard.service_map.texts import calls_address, rate, service_address
from devenv.drawing.markup import Markup, element
from devenv.drawing.words import show_count, show_share
from devenv.model.trace import ServiceDependency


def calls_table(shown: ServiceCalls, view: View) -> Markup:
    """A row for each edge, or a sentence if there is none."""
    if not shown.between:
        return element("p", "No calls between services yet.", class_="soft")
    numbers = ("Calls", "Rate", "Errors")
    head = element(
        "tr",
        *(element("th", name, scope="col") for name in ("Caller", "Called")),
        *(element("th", name, scope="col", class_="num") for name in numbers),
    )
    rows = (_row(edge, view) for edge in shown.between)
    caption = element("caption", "Calls between services; calls and errors lead to their traces")
    table = element("table", caption, element("thead", head), element("tbody", *rows))
    return element("div", table, class_="scroll calls")


def _row(edge: ServiceDependency, view: View) -> Markup:
    ends = (element("a", name, href=service_address(name, view.lookback)) for name in (edge.parent, edge.child))
    calls = element("a", show_count(edge.calls), href=calls_address(edge, view.lookback))
    errors: Markup | str = "not counted"
    if edge.errors:
        counted_errors = f"✘ {show_count(edge.errors)} ({show_share(edge.errors, edge.calls)})"
        errors = element("a", counted_errors, href=calls_address(edge, view.lookback, failed=True), class_="bad")
    elif edge.errors is not None:
        errors = "0"
    return element(
        "tr",
        *(element("td", each) for each in ends),
        *(element("td", each, class_="num") for each in (calls, rate(edge.calls, view.seconds), errors)),
    )
