"""The list of traces that a search found."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from devenv.dashboard.services import ServiceMarks
from devenv.drawing.markup import Markup, element, join
from devenv.drawing.shapes import shape, status
from devenv.drawing.words import counted, cut_middle, show_duration, show_time
from devenv.model.trace import OWN_SERVICE, TraceSummary

_ID_SHOWN = 8
"""Characters of a trace ID; the title has all of them."""

_CHIP = 40
"""Characters of the name of a load run."""


def trace_list(found: Sequence[TraceSummary], marks: ServiceMarks, name: str) -> Markup:
    """The traces in the order in which they are given.

    Args:
        found: at least one.
        marks: of the services.
        name: ID of the list.
    """
    longest = max(summary.duration_ns for summary in found)
    rows = (element("li", _row(summary, longest, marks)) for summary in found)
    return element("ol", *rows, class_="traces", id=name)


def _row(summary: TraceSummary, longest: int, marks: ServiceMarks) -> Markup:
    """One trace, called by where the request entered the system; a request of devenv has its name as a chip."""
    own = summary.root_service == OWN_SERVICE and summary.entry_service
    title = element(
        "span",
        shape("bad") if summary.errors else None,
        element("span", summary.title or "(no root span)", class_="title"),
        Markup(" "),
        _chip(summary.root_operation) if own else None,
    )
    main = summary.entry_service or summary.root_service or min((name for name, _, _ in summary.services), default="")
    troubles = join(
        status("bad", counted(summary.errors, "error")) if summary.errors else None,
        Markup(" ") if summary.errors and summary.orphans else None,
        status("warn", counted(summary.orphans, "orphan span")) if summary.orphans else None,
    )
    services = (
        marks.named(service, str(spans)) for service, spans, _ in summary.services if service != OWN_SERVICE or not own
    )
    return element(
        "a",
        title,
        element("span", show_duration(summary.duration_ns), class_="took"),
        _bar(summary.duration_ns, longest, main, marks),
        element("span", counted(summary.spans, "span"), class_="size"),
        element("span", troubles, class_="fails"),
        element("span", *services, class_="who"),
        element(
            "span",
            show_time(summary.start_ns),
            " ",
            element("code", summary.trace_id[:_ID_SHOWN], title=summary.trace_id),
            class_="when",
        ),
        href=f"/trace/{quote(summary.trace_id)}",
        class_="trace",
    )


def _chip(name: str) -> Markup:
    return element("span", cut_middle(name, _CHIP), class_="chip", title=name)


def _bar(value: int, whole: int, service: str, marks: ServiceMarks) -> Markup:
    part = f"{max(0.3, 100 * value / max(whole, 1)):.2f}%"
    back = element("rect", width="100%", height="8", rx="2", class_="back")
    return element("svg", back, marks.bar(service, width=part, height="8", rx="2"), class_="bar", aria_hidden="true")
