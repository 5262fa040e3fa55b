"""Values on the command line that are more than words."""

from __future__ import annotations

import re
import time

from devenv.errors import UsageError


def seconds(text: str, option: str) -> float:
    """Seconds of a duration such as ``30s``, ``1m30s`` or ``250ms``.

    Raises:
        UsageError: it is not one.
    """
    from devenv.model.extension import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{option}: found {text!r}, expected {error}") from error


def instant(text: str, option: str) -> float:
    """Seconds since the epoch of an ISO time, or of a duration meant as "so long ago".

    Raises:
        UsageError: it is neither.
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
        UsageError: it is not one; the message names the position.
    """
    try:
        return re.compile(text)
    except re.error as error:
        raise UsageError(f"{option}: {text!r} is no regular expression: {error}") from error
