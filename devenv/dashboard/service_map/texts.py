"""Numbers, names and addresses of the map."""

from __future__ import annotations

from unicodedata import east_asian_width
from urllib.parse import urlencode

from devenv.drawing.words import counted, cut_middle, show_count
from devenv.model.trace import ServiceDependency
from devenv.traces.filters.text_tokens import quoted

_LETTERS = 22
"""Of a name in a box."""

_UNITS = ((1, "s"), (60, "min"), (3600, "h"))


def rate(calls: int, seconds: float) -> str:
    """Calls over time in the unit that gives at least one, or per hour: ``48.2/s``, ``12/min``, ``0.3/h``."""
    for size, unit in _UNITS:
        value = calls * size / seconds
        if value >= 1 or unit == "h":
            return f"{_number(value)}/{unit}"
    raise AssertionError("the last unit always fits")


def _number(value: float) -> str:
    if value < 0.05:
        return "< 0.1"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"


def received_text(calls: int | None, seconds: float) -> str:
    """The rate of calls to a service, or their number if it is less than one a minute."""
    if calls is None:
        return "no caller"
    return rate(calls, seconds) if calls * 60 >= seconds else counted(calls, "call")


def range_text(seconds: int) -> str:
    """``15 min``, ``24 h``, ``1 h 30 min``; 0 s for less than a second."""
    parts = ((seconds // 3600, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s"))
    return " ".join(f"{value} {unit}" for value, unit in parts if value) or "0 s"


def calls_text(edge: ServiceDependency) -> str:
    """``12,480 calls, 31 failed``; the failed ones only if there are any."""
    calls = counted(edge.calls, "call")
    return f"{calls}, {show_count(edge.errors)} failed" if edge.errors else calls


def name_in_box(name: str) -> str:
    """A name that is too long for its box without its middle; a wide letter counts as two."""
    letters = _LETTERS
    while _columns(shown := cut_middle(name, letters)) > _LETTERS:
        letters -= 1
    return shown


def text_width(text: str) -> float:
    """Room for a text of 12 px in px, from above: no font is known here."""
    return 7.2 * _columns(text) + 4


def _columns(text: str) -> int:
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def service_address(service: str, lookback: str) -> str:
    """The page with the traces of a service."""
    return f"/search?{urlencode({'service': service, 'lookback': lookback})}"


def calls_address(edge: ServiceDependency, lookback: str, *, failed: bool = False) -> str:
    """The page with the traces in which a span of the caller has a child, or one that failed, of the called service."""
    child = f"service = {quoted(edge.child)}" + (" and status = error" if failed else "")
    where = f"service = {quoted(edge.parent)} and any child({child})"
    return f"/search?{urlencode({'service': edge.parent, 'where': where, 'lookback': lookback})}"
