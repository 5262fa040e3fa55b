"""Numbers for people: counts with their noun, and durations."""

from __future__ import annotations


def plural(count: int, noun: str) -> str:
    """A count with its noun: ``1 span``, ``2 spans``, ``0 processes``."""
    ending = "" if count == 1 else "es" if noun.endswith("s") else "s"
    return f"{count} {noun}{ending}"


def duration(seconds: float) -> str:
    """A duration for people: ``0.42 s``, ``3 min 5 s``, ``2 h 10 min``."""
    if seconds < 10:  # fractions matter below that
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
