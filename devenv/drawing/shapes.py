"""The shapes of statuses: colour never tells one alone. Each is drawn once on a page and used by its name."""

from __future__ import annotations

from typing import Literal

from devenv.drawing.markup import Markup, element, join

Shape = Literal["ok", "bad", "warn", "neutral"]

_OCTAGON = "M5 1h6l4 4v6l-4 4H5l-4-4V5z"
_PATHS: dict[Shape, str] = {
    "ok": "M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1zM6.9 11.2 3.8 8.1l1.2-1.2 1.9 1.9 4-4 1.2 1.2z",
    "bad": f"{_OCTAGON}m5.8 4.1L8 7.9 5.2 5.1 4.1 6.2 6.9 9l-2.8 2.8 1.1 1.1L8 10.1l2.8 2.8 1.1-1.1L9.1 9l2.8-2.8z",
    "warn": "M8 1 .5 15h15zM7.2 6h1.6l-.2 4.6H7.4zM8 11.6a1 1 0 1 1 0 2 1 1 0 0 1 0-2z",
    "neutral": "M2 2h12v12H2zm2 2v8h8V4z",
}


def sprite() -> Markup:
    """All shapes, invisible; a page has it once, at its start."""
    symbols = (
        element("symbol", element("path", d=path, fill_rule="evenodd"), id=f"i-{name}", viewBox="0 0 16 16")
        for name, path in _PATHS.items()
    )
    stripes = element(
        "pattern",
        element("path", d="M-1 1 1 -1M0 6 6 0M5 7 7 5", class_="hatch"),
        id="stripes",
        width="6",
        height="6",
        patternUnits="userSpaceOnUse",
    )
    dots = element(
        "pattern",
        element("circle", cx="3", cy="3", r="1.5", class_="ground"),
        id="dots",
        width="6",
        height="6",
        patternUnits="userSpaceOnUse",
    )
    return element("svg", *symbols, stripes, dots, class_="sprite", aria_hidden="true")


def shape(name: Shape) -> Markup:
    """One shape in the size of the text; the word beside it is what a screen reader says."""
    return element("svg", element("use", href=f"#i-{name}"), class_=f"shape {name}", aria_hidden="true")


def status(name: Shape, text: str) -> Markup:
    """A shape with its word, in its colour."""
    return element("span", shape(name), join(text), class_=f"status {name}")
