"""Numbers, times and names in words: the same on the pages, in the report of a run and in the terminal."""

from __future__ import annotations

from datetime import UTC, datetime

from devenv.model.counts import plural

_UNITS = (("ns", 1), ("µs", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000))
_MINUTE_NS = 60_000_000_000
_LIMIT = 1000
"""What has more than three digits is shown in the next unit."""


def show_duration(nanoseconds: float) -> str:
    """Three digits and a unit: ``3.24 ms``; ``2 min 5 s`` and ``3 h 10 min`` from a minute and an hour on.

    ``0`` for a span without length, which backends store as 1 ns.
    """
    if nanoseconds < 0:
        return f"-{show_duration(-nanoseconds)}"
    if nanoseconds <= 1:
        return "0"
    if nanoseconds >= _MINUTE_NS:
        minutes, seconds = divmod(round(nanoseconds / 1e9), 60)
        hours, minutes_left = divmod(minutes, 60)
        return f"{hours} h {minutes_left} min" if hours else f"{minutes} min {seconds} s"
    for unit, size in _UNITS:
        shown = _three_digits(nanoseconds / size) if size > 1 else f"{nanoseconds:.0f}"
        if float(shown) < _LIMIT:
            return f"{shown} {unit}"
    raise AssertionError("less than a minute is less than 1000 s")


def show_tick(nanoseconds: float) -> str:
    """A value that an axis names, without zeros that say nothing: ``2 ms``, ``2.5 ms``."""
    number, blank, unit = show_duration(nanoseconds).partition(" ")
    return (number.rstrip("0").rstrip(".") if "." in number else number) + blank + unit


def _three_digits(value: float) -> str:
    """``3.24``, ``32.4``, ``324``; what rounds up to ten is ``10.0``, not ``10.00``."""
    return next((shown for digits in (2, 1) if len(shown := f"{value:.{digits}f}") == 4), f"{value:.0f}")


def show_count(count: int) -> str:
    """A count with its thousands apart: ``12,480``."""
    return f"{count:,}"


def counted(count: int, noun: str) -> str:
    """A count with its noun in the right number: ``1 error``, ``12,480 spans``."""
    return plural(count, noun).replace(str(count), show_count(count), 1)


def show_share(part: float, whole: float) -> str:
    """A share in percent: ``41%``, ``0.2%``, ``< 0.1%`` for what is less, and ``0`` for none.

    What is not all is never called 100%, and two decimals show a share near it: ``99.98%``.
    """
    if part <= 0 or whole <= 0:
        return "0"
    percent = 100 * part / whole
    if percent < 0.05:
        return "< 0.1%"
    if percent >= 100:
        return f"{percent:.0f}%"
    if percent >= 99.995:
        return "> 99.99%"
    if percent >= 99:
        return f"{f'{percent:.2f}'.rstrip('0').rstrip('.')}%"
    return f"{percent:.1f}%".replace(".0%", "%") if percent < 10 else f"{percent:.0f}%"


def show_time(nanoseconds: int) -> str:
    """UTC to the millisecond; the bare number if it is outside the calendar."""
    try:
        moment = datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC)
    except (ValueError, OverflowError, OSError):
        return str(nanoseconds)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{nanoseconds // 1_000_000 % 1000:03d} UTC"


def cut_middle(text: str, letters: int) -> str:
    """A name that is too long without its middle, where names differ least: ``/api/us…/{id}/orders``."""
    if len(text) <= letters:
        return text
    kept = max(letters - 1, 1)
    end = kept // 2
    return f"{text[: kept - end]}…{text[len(text) - end :] if end else ''}"
