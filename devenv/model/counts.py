"""Counts as text."""

from __future__ import annotations


def plural(count: int, noun: str) -> str:
    """Return the count with its noun in the right number: ``1 span``, ``0 spans``; for nouns whose plural ends in s."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
