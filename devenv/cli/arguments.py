"""Parsers for option values: durations, times and regular expressions."""

from __future__ import annotations

import re
import time

from devenv.errors import UsageError


def seconds(text: str, option: str) -> float:
    """Seconds of a duration such as ``30s``, ``1m30s`` or ``250ms``.

    Raises:
        UsageError: If the text is not a duration.
    """
    from devenv.model.extension import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{option}: found {text!r}, expected {error}") from error


def instant(text: str, option: str) -> float:
    """Seconds since the epoch, of an ISO 8601 time or of a duration before now.

    Raises:
        UsageError: If the text is neither.
    """
    from datetime import UTC, datetime

    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return time.time() - seconds(text, option)
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def pattern(text: str, option: str) -> re.Pattern[str]:
    """A compiled regular expression.

    Raises:
        UsageError: If the text is not a regular expression; the message names the position.
    """
    try:
        return re.compile(text)
    except re.error as error:
        raise UsageError(f"{option}: {text!r} is not a valid regular expression: {error}") from error
