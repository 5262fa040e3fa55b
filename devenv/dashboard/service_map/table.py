"""The table behind the picture."""

from __future__ import annotations

from devenv.dashboard.service_map.calls import ServiceCalls
from devenv.dashboard.service_map.picture import View
from devenv.dashboard.service_map.texts import calls_address, calls_text, rate, service_address
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
        element("th", "Traces", scope="col"),
    )
    rows = (_row(edge, view) for edge in shown.between)
    caption = element("caption", "Calls between services")
    table = element("table", caption, element("thead", head), element("tbody", *rows))
    return element("div", table, class_="scroll")


def _row(edge: ServiceDependency, view: View) -> Markup:
    if edge.errors is None:
        errors = "not counted"
    else:
        errors = f"✘ {show_count(edge.errors)} ({show_share(edge.errors, edge.calls)})" if edge.errors else "0"
    return element(
        "tr",
        element("td", element("a", edge.parent, href=service_address(edge.parent, view.lookback))),
        element("td", element("a", edge.child, href=service_address(edge.child, view.lookback))),
        element("td", show_count(edge.calls), class_="num"),
        element("td", rate(edge.calls, view.seconds), class_="num"),
        element("td", errors, class_="num bad" if edge.errors else "num"),
        element(
            "td",
            element(
                "a", "traces", href=calls_address(edge, view.lookback), aria_label=f"traces with {calls_text(edge)}"
            ),
        ),
    )
