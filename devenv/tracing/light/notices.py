"""Warnings that a program could cause for each span: each is logged once per process."""

from __future__ import annotations

import logging

_MOST = 1000
_said: set[str] = set()


def warn_once(log: logging.Logger, message: str, *arguments: object) -> None:
    """Log a warning, unless the same one has been logged; beyond 1000 different ones nothing is logged."""
    text = message % arguments if arguments else message
    if text not in _said and len(_said) < _MOST:
        _said.add(text)
        log.warning("%s", text)


def forget() -> None:
    """Forget what has been logged (tests)."""
    _said.clear()
