"""Counts as text."""

from __future__ import annotations


def plural(count: int, noun: str) -> str:
    """Return the count with its noun in the right number: ``1 span``, ``0 spans``, ``2 processes``."""
    ending = "" if count == 1 else "es" if noun.endswith("s") else "s"
    return f"{count} {noun}{ending}"
