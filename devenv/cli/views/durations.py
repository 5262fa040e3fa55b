"""Durations for people."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """A duration for people: ``0.42 s``, ``3 min 5 s``, ``2 h 10 min``."""
    if seconds < 10:  # fractions matter below that
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
